package people

import "slices"

// Role is what somebody does in the service: one out of a closed set. One person may have several.
type Role string

const (
	Agent      Role = "agent"      // answers calls
	Supervisor Role = "supervisor" // runs the floor of the day
	Editor     Role = "editor"     // writes what callers hear
	Approver   Role = "approver"   // lets out what others wrote, where the service asks for two persons
	Manager    Role = "manager"    // answers for the figures
	Admin      Role = "admin"      // gives and takes accounts, and may do everything else but hide it, and look at one agent's figures
	Auditor    Role = "auditor"    // reads what was done, and changes nothing
)

// Roles are all, as pages list them.
var Roles = []Role{Agent, Supervisor, Editor, Approver, Manager, Admin, Auditor}

// Right is something that may be done in the administration site.
type Right string

const (
	SeeFloor    Right = "see_floor"    // the live board
	RunFloor    Right = "run_floor"    // change agents' states
	SeeMessages Right = "see_messages" // incident messages, and what became of them
	Publish     Right = "publish"      // write, let out and stop incident messages
	Approve     Right = "approve"      // let out what another person wrote
	SeeFigures  Right = "see_figures"  // indicators and reports
	SeeContacts Right = "see_contacts" // the contacts behind a figure
	SeeAgents   Right = "see_agents"   // the figures of one agent: the guide keeps them between agents and whom they work with
	SeeService  Right = "see_service"  // everything that is said, with its past, hours, settings, plans, links, drafts; to play the journey
	EditService Right = "edit_service" // write drafts of them, and publish them where nobody else has to
	EditAgents  Right = "edit_agents"  // who answers calls, with their teams and skills
	SeePeople   Right = "see_people"
	GivePeople  Right = "give_people" // make, change and close accounts
	SeeLog      Right = "see_log"     // the log of what was done
)

// rights is the whole table: who may do what.
var rights = map[Right][]Role{
	SeeFloor:    {Agent, Supervisor, Editor, Approver, Manager, Admin, Auditor},
	RunFloor:    {Supervisor, Admin},
	SeeMessages: {Agent, Supervisor, Editor, Approver, Manager, Admin, Auditor},
	Publish:     {Supervisor, Editor, Admin},
	Approve:     {Approver, Admin},
	SeeFigures:  {Supervisor, Manager, Admin, Auditor},
	SeeContacts: {Supervisor, Manager, Admin, Auditor},
	SeeAgents:   {Supervisor},
	SeeService:  {Supervisor, Editor, Approver, Manager, Admin, Auditor},
	EditService: {Editor, Admin},
	EditAgents:  {Supervisor, Admin},
	SeePeople:   {Admin, Auditor},
	GivePeople:  {Admin},
	SeeLog:      {Manager, Admin, Auditor},
}

// May says whether an account has a right. One that is closed has none.
func (a Account) May(r Right) bool {
	return !a.Closed && slices.ContainsFunc(a.Roles, func(role Role) bool { return slices.Contains(rights[r], role) })
}
