package ari

import (
	"context"
	"time"
)

// Record is how a channel is recorded.
type Record struct {
	// Name is what the recording is called: letters, digits, '-', '_' and '.'.
	Name string
	// Longest ends it, and so does a Silence; both in whole seconds. '#' ends it too.
	Longest, Silence time.Duration
}

// Record begins to record what is said on a channel, as WAV. A recording of that name is replaced.
func (c *Client) Record(ctx context.Context, channel string, r Record) error {
	return c.do(ctx, "POST", "/channels/"+esc(channel)+"/record", nil, params{
		"name": r.Name, "format": "wav", "ifExists": "overwrite", "terminateOn": "#",
		"maxDurationSeconds": int(r.Longest / time.Second), "maxSilenceSeconds": int(r.Silence / time.Second),
	}, nil)
}

// Recording tells whether a recording is under way. ErrNotFound: it is over, or never began.
func (c *Client) Recording(ctx context.Context, name string) error {
	return c.do(ctx, "GET", "/recordings/live/"+esc(name), nil, nil, nil)
}

// StoredRecording reads a recording that is over: a WAV file.
func (c *Client) StoredRecording(ctx context.Context, name string) (wav []byte, err error) {
	return wav, c.do(ctx, "GET", "/recordings/stored/"+esc(name)+"/file", nil, nil, &wav)
}

// DeleteRecording deletes a recording that is over.
func (c *Client) DeleteRecording(ctx context.Context, name string) error {
	return c.do(ctx, "DELETE", "/recordings/stored/"+esc(name), nil, nil, nil)
}
