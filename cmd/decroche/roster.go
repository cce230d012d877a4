package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"decroche/drafts"
	"decroche/service"
	"decroche/web/admin"
)

// roster is where the agents of the deployment are changed: in its file, which stays the one truth.
type roster struct {
	s  *server
	mu sync.Mutex
}

// Agents implements admin.Roster.
func (r *roster) Agents(context.Context) (list []admin.Agent, was string, err error) {
	data, err := os.ReadFile(r.s.c.file)
	if err != nil {
		return nil, "", fmt.Errorf("read the agents: %w", err)
	}
	if was, err = service.Part(data, "agents"); err != nil {
		return nil, "", fmt.Errorf("read the agents: %w", err)
	}
	c, err := r.s.load()
	if err != nil {
		return nil, "", err
	}
	for _, a := range c.Agents {
		list = append(list, admin.Agent{ID: string(a.ID), Name: a.Name, Team: a.Team, Skills: a.Skills, Languages: a.Languages})
	}
	return list, was, nil
}

// SetAgents implements admin.Roster: the file is written, and the line takes it or it is as before.
func (r *roster) SetAgents(ctx context.Context, list []admin.Agent, was string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err := os.ReadFile(r.s.c.file)
	if err != nil {
		return fmt.Errorf("write the agents: %w", err)
	}
	now, err := service.Part(before, "agents")
	if err != nil {
		return err
	}
	if now != was {
		return drafts.ErrChanged
	}
	after, err := service.Rewrite(before, service.Edit{Path: "agents", Value: agentsYAML(list)})
	if err != nil {
		return err
	}
	return drafts.Try(r.s.c.file, after, func() error {
		if _, err := r.s.reload(ctx); err != nil {
			return fmt.Errorf("%w: %w", drafts.ErrUnfit, err)
		}
		return nil
	})
}

// agentsYAML writes the agents as the file has them.
func agentsYAML(list []admin.Agent) string {
	items := make([]string, len(list))
	for i, a := range list {
		item := service.Fields("id", a.ID, "name", a.Name, "team", a.Team)
		var skills []string
		for _, s := range slices.Sorted(maps.Keys(a.Skills)) {
			skills = append(skills, s, strconv.Itoa(a.Skills[s]))
		}
		if len(skills) > 0 {
			item += "\nskills:\n  " + strings.ReplaceAll(service.Fields(skills...), "\n", "\n  ")
		}
		var langs []string
		for _, l := range a.Languages {
			langs = append(langs, service.Scalar(string(l)))
		}
		if len(langs) > 0 {
			item += "\nlanguages:\n  " + strings.ReplaceAll(service.Items(langs), "\n", "\n  ")
		}
		items[i] = item
	}
	return service.Items(items)
}
