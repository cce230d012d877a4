package wait

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// readQueueLog takes Asterisk's queue_log as it was written: in the order of time.
func (run *replayRun) readQueueLog(lines *lineReader) error {
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errLongLine) {
			run.refuse(lines.n, err.Error())
			continue
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", lines.n+1, err)
		}
		if why := run.queueLogLine(line); why != "" {
			run.refuse(lines.n, why)
		}
	}
}

// backwards is how far a line may lie before the one above: writers of a log race a little.
const backwards = 60.0

func (run *replayRun) queueLogLine(line string) (why string) {
	fields := strings.Split(line, "|")
	if len(fields) < 5 {
		return fmt.Sprintf("%d fields, want at least 5: epoch|callid|queue|agent|event", len(fields))
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	at, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(at >= 0 && at < 1e11) {
		return fmt.Sprintf("the time %q is not in seconds", fields[0])
	}
	if at < run.now-backwards {
		return "its time lies before that of the line above"
	}
	at = max(at, run.now)
	id, queue, agent, data := fields[1], fields[2], fields[3], fields[5:]
	switch name := strings.ToUpper(fields[4]); name {
	case "ENTERQUEUE":
		return run.entered(id, queue, at, data)
	case "CONNECT":
		return run.connected(id, agent, at)
	case "COMPLETEAGENT", "COMPLETECALLER", "TRANSFER", "BLINDTRANSFER", "ATTENDEDTRANSFER":
		return run.completed(id, at)
	case "ABANDON", "EXITWITHTIMEOUT", "EXITWITHKEY", "EXITEMPTY":
		return run.gaveUp(id, at)
	case "ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "AGENTLOGIN", "AGENTLOGOFF", "AGENTCALLBACKLOGIN", "AGENTCALLBACKLOGOFF":
		return run.membership(name, queue, agent, at)
	case "QUEUESTART":
		run.restarted(at)
	default:
		run.report.Ignored[name]++
	}
	return ""
}

func (run *replayRun) entered(id, queue string, at float64, data []string) string {
	if run.open[id] != nil {
		return fmt.Sprintf("the call %q is in a queue already", id)
	}
	c := &replayed{id: id, queue: queue, queued: at, ahead: -1}
	// The log's own position knows of priorities; the count of the line does not.
	if len(data) >= 3 {
		if p, err := strconv.Atoi(data[2]); err == nil && p >= 1 {
			c.ahead = p - 1
		}
	}
	run.open[id] = c
	run.joined(c)
	return ""
}

func (run *replayRun) connected(id, agent string, at float64) string {
	c := run.open[id]
	if c == nil || c.answered {
		return notInQueue(id)
	}
	c.agent, c.left, c.answeredAt, c.answered = agent, at, at, true
	run.left(c)
	return ""
}

func (run *replayRun) completed(id string, at float64) string {
	c := run.open[id]
	if c == nil || !c.answered {
		return fmt.Sprintf("the call %q was not connected", id)
	}
	delete(run.open, id)
	c.endedAt = at
	run.ended(c)
	return ""
}

func (run *replayRun) gaveUp(id string, at float64) string {
	c := run.open[id]
	if c == nil || c.answered {
		return notInQueue(id)
	}
	delete(run.open, id)
	c.left = at
	run.left(c)
	return ""
}

func notInQueue(id string) string { return fmt.Sprintf("the call %q waits in no queue", id) }

// membership notes what the log says of an agent; where it says nothing, calls tell.
func (run *replayRun) membership(event, queue, agent string, at float64) string {
	if agent == "" || agent == "NONE" {
		return event + " names no agent"
	}
	run.clock(at)
	a := run.agent(agent)
	all := queue == "" || queue == "NONE"
	switch event {
	case "ADDMEMBER":
		a.member[queue] = true
		if !a.busy {
			a.since = at
		}
	case "REMOVEMEMBER":
		a.member[queue] = false
	case "PAUSEALL":
		a.pausedAll = true
	case "UNPAUSEALL":
		a.pausedAll = false
		a.since = freeSince(a, at)
	case "PAUSE", "UNPAUSE":
		paused := event == "PAUSE"
		if all {
			a.pausedAll = paused
		} else {
			a.paused[queue] = paused
		}
		if !paused {
			a.since = freeSince(a, at)
		}
	case "AGENTLOGIN", "AGENTCALLBACKLOGIN":
		a.pausedAll, a.since = false, freeSince(a, at)
	case "AGENTLOGOFF", "AGENTCALLBACKLOGOFF":
		a.pausedAll = true
	}
	return ""
}

func freeSince(a *replayAgent, at float64) float64 {
	if a.busy {
		return a.since
	}
	return at
}

// restarted forgets the calls that ended with Asterisk: how is not known.
func (run *replayRun) restarted(at float64) {
	run.clock(at)
	clear(run.open)
	clear(run.waiting)
	for _, a := range run.agents {
		if a.busy {
			a.busy, a.since = false, at
		}
	}
}
