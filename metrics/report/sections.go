package report

// A section groups indicators that are read together. The catalogue has its title,
// "report.section.ID", and "report.section.ID.note" where something must be said.
type section struct {
	id         string
	indicators []string
}

// sections are in the order of the guide: reached or not, after how long, served or not, and at what price.
var sections = []section{
	{"decroche", []string{"received", "received_open", "requested", "answered", "decroche_agent", "decroche_agent_kept", "decroche_agent_harsher", "decroche_global"}},
	{"wait", []string{"in_time", "asa", "wait_median", "wait_p90", "perceived", "perceived_median", "perceived_p90"}},
	{"abandonment", []string{"abandoned", "abandoned_short", "patience_median", "left_ivr"}},
	{"resolution", []string{"resolved_agent", "resolved_survey", "resolved_behaviour", "repeated_24h", "repeated_7d", "withheld"}},
	{"length", []string{"dmc", "dmt", "dmc_contact", "dmt_contact"}},
	{"transfers", []string{"transferred", "transferred_blind", "consulted", "escalated"}},
	{"ivr", []string{"self_served", "self_served_open", "simple", "other_reason"}},
	{"callbacks", []string{"promises_asked", "promises_kept", "promises_late", "promises_unreachable", "promises_cancelled", "promises_answered", "promises_expired", "attempts", "callback_delay", "callback_median"}},
	{"announced", []string{"told", "told_in_range", "told_above", "told_bias"}},
	{"satisfaction", []string{"satisfaction_overall", "satisfaction_welcome", "satisfaction_answer", "satisfaction_personal", "survey_replies"}},
	{"agents", []string{"availability", "occupancy", "logged_hours"}},
	{"outcomes", []string{"outcome_answered", "outcome_self_served", "outcome_abandoned", "outcome_left_ivr", "outcome_called_back", "outcome_closed", "outcome_dissuaded", "outcome_transferred_out", "outcome_failed", "sms_sent", "sms_failed"}},
}

// Brief are the indicators of a table that breaks figures down, where there is no room for all.
var Brief = []string{"received", "requested", "decroche_agent", "decroche_global", "asa", "in_time", "abandoned", "dmt", "resolved_agent", "repeated_7d", "promises_kept", "satisfaction_overall"}
