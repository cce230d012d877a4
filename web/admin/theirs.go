package admin

import (
	"cmp"
	"strings"

	"decroche/people"
)

// theirs is what another person wrote since a form was filled in, to be compared with what was typed before that is
// kept. Every form that two may fill in at once shows it in this one way, the template "theirs".
type theirs struct {
	Title string
	Who   string // and when; "" when nobody knows: by hand, in the file
	Text  string // as it is read
	Saids []said // a text, to be listened to; nil for all else
}

// formPart is a part of the definition as a form of a page has it.
type formPart struct {
	part
	Draft  bool
	Theirs *theirs
}

// formPart is the part as it is now, which the next attempt has seen. sent is what the sender of its form saw, nil when
// the page answers no form of this part: what another wrote since is shown then. ok is false when the page of a
// failure was given.
func (v *visit) formPart(path string, sent *part) (f formPart, ok bool) {
	value, now, ok := v.partOf(path)
	if !ok {
		return f, false
	}
	f = formPart{part: now, Draft: now.Seen != 0}
	if sent == nil || *sent == now {
		return f, true
	}
	f.Theirs = &theirs{Title: v.T("theirs"), Text: cmp.Or(v.partText(path, value), v.T("part.out"))}
	f.Theirs.Who, ok = v.whoWrote(path, now)
	return f, ok
}

// whoWrote tells who wrote a part as it is now, and when.
func (v *visit) whoWrote(path string, now part) (who string, ok bool) {
	list, err := v.s.Drafts.Store.Drafts(v.r.Context())
	if err == nil && now.Seen == 0 {
		list, err = v.s.Drafts.Store.History(v.r.Context(), path, 1)
	}
	if err != nil {
		v.fail("read who wrote a part", err)
		return "", false
	}
	for _, c := range list {
		switch {
		case now.Seen != 0 && c.ID == now.Seen:
			return v.T("draft.by", "who", c.By, "when", v.when(c.At)), true
		case now.Seen == 0 && c.Value == now.Was:
			return v.T("draft.published", "who", c.By, "by", c.SettledBy, "when", v.when(c.Settled)), true
		}
	}
	return "", true
}

// changedLast are the acts by which an agent or an account becomes another.
var changedLast = map[string]bool{
	"agent.changed": true, "agent.removed": true,
	"account.added": true, "account.changed": true, "account.password": true, "account.signed_out": true,
}

// lastAct tells from the log what was done last to an agent or an account, by whom and when; "" when the log has nothing.
func (v *visit) lastAct(group, about string) (who string, ok bool) {
	acts, err := v.s.Accounts.Acts(v.r.Context(), people.Acts{Group: group, Limit: logPage})
	if err != nil {
		v.fail("read the log", err)
		return "", false
	}
	for _, a := range acts {
		if a.About == about && changedLast[a.What] {
			return v.T("theirs.act", "what", v.T("act."+a.What), "who", a.Who, "when", v.when(a.At)), true
		}
	}
	return "", true
}

// listed writes what something is made of: what and its value in turn. What has no value is left out.
func (v *visit) listed(pairs ...string) string {
	var lines []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			lines = append(lines, v.T("plan.line", "what", pairs[i], "value", pairs[i+1]))
		}
	}
	return strings.Join(lines, "\n")
}
