package ari

import (
	"context"
	"net/url"
)

// Application reads the client's application: the channels and bridges that are its own.
// ErrNotFound: it was never connected since Asterisk started.
func (c *Client) Application(ctx context.Context) (out Application, err error) {
	return out, c.do(ctx, "GET", "/applications/"+esc(c.cfg.App), nil, nil, &out)
}

// SetEventFilter names event types Asterisk must not send to the application. It
// survives a reconnect, not a restart of Asterisk; Run sets Config.EventFilterDisallow each time.
func (c *Client) SetEventFilter(ctx context.Context, disallow []string) error {
	type eventType struct {
		Type string `json:"type"`
	}
	types := make([]eventType, len(disallow))
	for i, t := range disallow {
		types[i].Type = t
	}
	return c.do(ctx, "PUT", "/applications/"+esc(c.cfg.App)+"/eventFilter", nil, params{"disallowed": types}, nil)
}

// Subscribe asks for events about things outside the application: "endpoint:PJSIP/2001",
// "endpoint:PJSIP", "deviceState:PJSIP/2001", "channel:ID". They come unclaimed unless they carry
// an id. A restart of Asterisk forgets it.
func (c *Client) Subscribe(ctx context.Context, sources ...string) error {
	return c.do(ctx, "POST", "/applications/"+esc(c.cfg.App)+"/subscription", nil, params{"eventSource": sources}, nil)
}

// Unsubscribe ends Subscribe.
func (c *Client) Unsubscribe(ctx context.Context, sources ...string) error {
	return c.do(ctx, "DELETE", "/applications/"+esc(c.cfg.App)+"/subscription", url.Values{"eventSource": sources}, nil, nil)
}

// Info reads Asterisk's version and when it started.
func (c *Client) Info(ctx context.Context) (out AsteriskInfo, err error) {
	return out, c.do(ctx, "GET", "/asterisk/info", nil, nil, &out)
}

// Ping asks for a sign of life.
func (c *Client) Ping(ctx context.Context) (out AsteriskPing, err error) {
	return out, c.do(ctx, "GET", "/asterisk/ping", nil, nil, &out)
}

// PutConfig makes or changes a configuration object: class "res_pjsip", kind
// "endpoint", "auth" or "aor". It lives as long as Asterisk where sorcery.conf gives that kind
// a memory source.
func (c *Client) PutConfig(ctx context.Context, class, kind, id string, fields ...ConfigTuple) error {
	return c.do(ctx, "PUT", configPath(class, kind, id), nil, params{"fields": fields}, nil)
}

// Config reads a configuration object.
func (c *Client) Config(ctx context.Context, class, kind, id string) (out []ConfigTuple, err error) {
	return out, c.do(ctx, "GET", configPath(class, kind, id), nil, nil, &out)
}

// DeleteConfig removes a configuration object.
func (c *Client) DeleteConfig(ctx context.Context, class, kind, id string) error {
	return c.do(ctx, "DELETE", configPath(class, kind, id), nil, nil, nil)
}

func configPath(class, kind, id string) string {
	return "/asterisk/config/dynamic/" + esc(class) + "/" + esc(kind) + "/" + esc(id)
}

// ReloadModule makes a module read its configuration again: "res_musiconhold.so".
func (c *Client) ReloadModule(ctx context.Context, module string) error {
	return c.do(ctx, "PUT", "/asterisk/modules/"+esc(module), nil, nil, nil)
}

// Endpoint reads an endpoint: tech "PJSIP", resource "2001". State "online" says that
// a phone is registered, and reachable where it is qualified.
func (c *Client) Endpoint(ctx context.Context, tech, resource string) (out Endpoint, err error) {
	return out, c.do(ctx, "GET", "/endpoints/"+esc(tech)+"/"+esc(resource), nil, nil, &out)
}

// Endpoints lists the endpoints of a technology.
func (c *Client) Endpoints(ctx context.Context, tech string) (out []Endpoint, err error) {
	return out, c.do(ctx, "GET", "/endpoints/"+esc(tech), nil, nil, &out)
}

// DeviceState reads a device's state: "PJSIP/2001" is NOT_INUSE, INUSE, BUSY, UNAVAILABLE, RINGING and so on.
func (c *Client) DeviceState(ctx context.Context, name string) (string, error) {
	var out DeviceState
	err := c.do(ctx, "GET", "/deviceStates/"+esc(name), nil, nil, &out)
	return out.State, err
}
