package service

// TagRule is what a tag of callers changes.
type TagRule struct {
	// Queues are those that tagged callers wait in, by the one that others would.
	Queues map[string]string
}

// tagKinds are the tags whose callers may have queues of their own.
var tagKinds = []string{"vulnerable", "deaf", "language", "overseas", "offline"}

func (r *reader) tags(o *object) {
	n := o.get("tags")
	if n == nil {
		return
	}
	to := r.object(n, "tags", theKey("tags"))
	r.def.Tags = map[string]TagRule{}
	for _, kind := range tagKinds {
		item := to.get(kind)
		if item == nil {
			continue
		}
		path := "tags." + kind
		ko := r.object(item, path, say("the.tag", "name", kind))
		rule := TagRule{Queues: map[string]string{}}
		if list := ko.get("queues"); list != nil {
			qo := r.object(list, path+".queues", ko.key("queues"))
			for _, from := range keysOf(r.def.Queues) {
				if to := qo.ref(from, "queue"); to != "" {
					rule.Queues[from] = to
				}
			}
			qo.close()
		}
		ko.close()
		r.def.Tags[kind] = rule
	}
	to.close()
}
