package service

import "time"

// Indicators are the settings that figures are computed with, and the goals they are held
// against. They are shown with each figure; changing one computes the past anew.
type Indicators struct {
	// ShortAbandon: who leaves the queue sooner abandons "short", and is counted apart. Default 5 s.
	ShortAbandon time.Duration
	// Reconnect: who was cut off and calls again within it goes on with the same contact. Default 5 min.
	Reconnect time.Duration
	// SelfService: information given by the IVR served the citizen when they did not contact us
	// again for the same reason within it. 24 h or 168 h (the default): the windows of réitération.
	SelfService time.Duration
	// Other is the share of contacts without reason, or with the reason OtherReason, above which
	// managers are told; 0 < Other ≤ 1. Default 0.15.
	Other float64
	// OtherReason is the id of the reason "autre", "" when the base has none.
	OtherReason string
	// AnnouncedAbove is the share of callers waiting longer than the range they were told, above
	// which managers are told; 0 < AnnouncedAbove ≤ 1. Default 0.10.
	AnnouncedAbove float64
	Goals          Goals
	Costs          Costs
}

// Goals are shares in [0, 1]. There is none for DMT nor DMC: the guide refuses it (p. 49).
type Goals struct {
	Answered  float64 // taux de décroché, default 0.85
	Excellent float64 // default 0.92
}

// Costs are in euros.
type Costs struct {
	// Teams are the loaded costs of an hour signed in, by team; Hour is that of the others.
	Teams map[string]float64
	Hour  float64
	// MinuteIn and MinuteOut are telephony by the minute, SMS by the message.
	MinuteIn, MinuteOut, SMS float64
	// FullTime is the hours of a full-time equivalent in a week. Default 35.
	FullTime float64
}

// Team is the loaded cost of an hour that an agent of a team is signed in.
func (c Costs) Team(team string) float64 {
	if price, ok := c.Teams[team]; ok {
		return price
	}
	return c.Hour
}

// InTime is the goal of a queue's décroché dans les délais.
type InTime struct {
	Within time.Duration // T, default 60 s
	Share  float64       // default 0.80
}
