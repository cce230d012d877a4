package routing

import (
	"fmt"
	"math"
	"testing"
	"time"

	"decroche/call"
	"decroche/service"
)

// scene is a matcher with callers in line and agents all busy.
func scene(queues []*service.Queue, agents map[string]int, waiting map[string]int) *matcher {
	m := newMatcher()
	m.advance(epoch)
	m.setQueues(byID(queues...))
	var roster []Agent
	for skills, n := range agents {
		set := map[string]int{}
		for _, c := range skills {
			set[string(c)] = 3
		}
		for i := range n {
			roster = append(roster, Agent{ID: call.AgentID(fmt.Sprint(skills, i)), Skills: set})
		}
	}
	m.setAgents(roster)
	for _, s := range m.seats {
		m.setPresence(s, busy, epoch)
	}
	for queue, n := range waiting {
		for i := range n {
			m.arrive(&waiter{line: m.byID[queue], Caller: Caller{
				ID: call.ID(fmt.Sprint(queue, i)), Queue: queue, Joined: epoch.Add(time.Duration(i) * time.Second),
			}})
		}
	}
	return m
}

func queue(id string, priority int) *service.Queue {
	return &service.Queue{ID: id, Priority: priority, Needs: map[string]int{id: 1}}
}

// next is a caller who joins after all.
func (m *matcher) nextOutlook(queue string) outlook {
	return m.outlook(&waiter{line: m.byID[queue], Caller: Caller{ID: "next"}, at: epoch.Add(time.Hour).UnixNano()})
}

func TestCallersAheadAndAgentsAreSharedOutAmongQueues(t *testing.T) {
	for name, x := range map[string]struct {
		queues  []*service.Queue
		agents  map[string]int
		waiting map[string]int
		ahead   int
		servers float64
	}{
		"alone": {
			[]*service.Queue{queue("a", 0)},
			map[string]int{"a": 4},
			map[string]int{"a": 6},
			6, 4,
		},
		"another line of the same agents counts in full": {
			[]*service.Queue{queue("a", 0), queue("b", 0)},
			map[string]int{"ab": 4},
			map[string]int{"a": 6, "b": 5},
			11, 4,
		},
		"a line of other agents counts nothing": {
			[]*service.Queue{queue("a", 0), queue("b", 0)},
			map[string]int{"a": 4, "b": 2},
			map[string]int{"a": 6, "b": 5},
			6, 4,
		},
		"a line that shares half of its agents counts by half": {
			[]*service.Queue{queue("a", 0), queue("b", 0)},
			map[string]int{"ab": 4, "b": 4},
			map[string]int{"a": 6, "b": 8},
			10, 4,
		},
		"agents held by a long line are no help": {
			[]*service.Queue{queue("a", 0), queue("b", 0)},
			map[string]int{"a": 5, "ab": 5},
			map[string]int{"a": 3, "b": 100},
			3, 5,
		},
		"agents held by a short line are": {
			[]*service.Queue{queue("a", 0), queue("b", 0)},
			map[string]int{"a": 5, "ab": 5},
			map[string]int{"a": 40, "b": 10},
			50, 10,
		},
		"a lower line counts nothing": {
			[]*service.Queue{queue("a", 1), queue("b", 0)},
			map[string]int{"ab": 4},
			map[string]int{"a": 6, "b": 50},
			6, 4,
		},
		"nobody signed in": {
			[]*service.Queue{queue("a", 1)}, nil, map[string]int{"a": 6}, 6, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := scene(x.queues, x.agents, x.waiting).nextOutlook("a")
			if o.ahead != x.ahead || o.agents != x.servers || o.busy != int(x.servers) {
				t.Errorf("%d ahead for %v agents, %d busy; want %d for %v", o.ahead, o.agents, o.busy, x.ahead, x.servers)
			}
		})
	}
}

func TestLaterCallersOfHigherPriorityAreARateInTheMeasureTheyCompete(t *testing.T) {
	m := scene([]*service.Queue{queue("a", 0), queue("b", 1)}, map[string]int{"ab": 2, "b": 2}, map[string]int{"b": 30})
	got, want := m.nextOutlook("a").higherRate, 30/rateMemory.Seconds()/2
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("callers who go first arrive at %v/s, want %v/s", got, want)
	}
	m.advance(epoch.Add(rateMemory))
	if got := m.nextOutlook("a").higherRate; math.Abs(got-want/math.E) > 1e-9 {
		t.Errorf("after a quiet time at %v/s, want %v/s", got, want/math.E)
	}
}

func TestAgentsOfAnOpenOverflowCountWithTheWorkTheyHave(t *testing.T) {
	a := queue("a", 0)
	a.Overflow = []service.Overflow{{To: "b", After: 5 * time.Minute}}
	m := scene([]*service.Queue{a, queue("b", 0)}, map[string]int{"a": 2, "b": 3}, map[string]int{"a": 9, "b": 3})
	last := m.byID["a"].waiting[8]
	if o := m.outlook(last); o.reachable != 2 || o.ahead != 8 {
		t.Errorf("before the overflow: %+v", o)
	}
	m.advance(epoch.Add(6 * time.Minute))
	if o := m.outlook(last); o.reachable != 5 || o.agents != 5 || o.ahead != 11 {
		t.Errorf("after it opened: %+v", o)
	}
	if o := m.outlook(m.byID["b"].waiting[2]); o.agents != 3 {
		t.Errorf("of the aid queue: %+v", o)
	}
}

func TestRosterIsCheckedWithWhatToMend(t *testing.T) {
	err := CheckRoster([]Agent{{ID: "2001", Skills: map[string]int{"cni": 6}}, {ID: "2001"}, {Name: "X"}})
	want := "agent 2001 has level 6 in \"cni\": levels go from 1 to 5\n" +
		"agent 2001 is twice in the roster: keep one of them\n" +
		"agent number 3 of the roster has no id: give the user part of the SIP account, such as \"2001\""
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := CheckRoster([]Agent{{ID: "2001", Skills: cni(5)}}); err != nil {
		t.Errorf("a good roster: %v", err)
	}
}
