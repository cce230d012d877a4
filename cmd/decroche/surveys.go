package main

import (
	"decroche/survey"
	"decroche/web/public"
)

// assembleSurveys makes the office that asks citizens what they thought of a call.
func (s *server) assembleSurveys(signer *public.Signer) {
	s.surveys = &survey.Office{
		Store: s.db.Surveys(), Service: s.def.Load, Journal: s.live, Callbacks: s.desk.book, PageURL: signer.SurveyURL,
		Blocked: s.db.SMS().Blocked, Changed: s.deskChanged, Secret: signer.Key, Log: s.log,
	}
	s.journey.Surveys, s.office.Registers["surveys"] = s.surveys, s.surveys
}
