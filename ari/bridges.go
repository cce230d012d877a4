package ari

import "context"

// Types of a bridge. Several are joined by commas.
const (
	BridgeMixing     = "mixing"
	BridgeHolding    = "holding"
	BridgeDTMFEvents = "dtmf_events"
	BridgeProxyMedia = "proxy_media"
)

// RoleHoldingParticipant is the role of a channel that hears music in a holding bridge: the
// class in its CHANNEL(musicclass), or the default. Without it, and in the role
// "participant", a channel hears nothing there.
const RoleHoldingParticipant = "holding_participant"

// CreateBridge makes a bridge, or changes the one of that id when Asterisk allows it.
func (c *Client) CreateBridge(ctx context.Context, id, kind, name string) (out Bridge, err error) {
	return out, c.do(ctx, "POST", "/bridges/"+esc(id), nil, params{}.add("type", kind).add("name", name), &out)
}

// Bridge reads a bridge.
func (c *Client) Bridge(ctx context.Context, id string) (out Bridge, err error) {
	return out, c.do(ctx, "GET", "/bridges/"+esc(id), nil, nil, &out)
}

// Bridges lists every bridge of Asterisk, whatever its application.
func (c *Client) Bridges(ctx context.Context) (out []Bridge, err error) {
	return out, c.do(ctx, "GET", "/bridges", nil, nil, &out)
}

// Join is how channels enter a bridge.
type Join struct {
	Channels []string
	// Role is RoleHoldingParticipant in a holding bridge, else empty.
	Role string
	// AbsorbDTMF keeps keys out of the bridge (their events come all the same), Mute the voice.
	AbsorbDTMF, Mute bool
	// Quiet does not show the new party to the others.
	Quiet bool
}

// AddToBridge puts channels in a bridge, out of the one they are in. It waits for a
// playback on them to end: stop it first. ErrNotFound: a channel or the bridge is gone.
func (c *Client) AddToBridge(ctx context.Context, bridge string, j Join) error {
	body := params{"channel": j.Channels}.add("role", j.Role)
	for name, set := range map[string]bool{"absorbDTMF": j.AbsorbDTMF, "mute": j.Mute, "inhibitConnectedLineUpdates": j.Quiet} {
		if set {
			body[name] = true
		}
	}
	return c.do(ctx, "POST", "/bridges/"+esc(bridge)+"/addChannel", nil, body, nil)
}

// RemoveFromBridge takes channels out of a bridge; they stay in the application, without
// sound. It waits for a playback on them to end: stop it first.
// ErrConflict: a channel is not in that bridge.
func (c *Client) RemoveFromBridge(ctx context.Context, bridge string, channels ...string) error {
	return c.do(ctx, "POST", "/bridges/"+esc(bridge)+"/removeChannel", nil, params{"channel": channels}, nil)
}

// DestroyBridge ends a bridge; its channels stay in the application. BridgeDestroyed comes only to
// an application that has a channel in the bridge, or subscribed to "bridge:ID".
func (c *Client) DestroyBridge(ctx context.Context, id string) error {
	return c.do(ctx, "DELETE", "/bridges/"+esc(id), nil, nil, nil)
}

// PlayToBridge plays sounds to all in a bridge.
func (c *Client) PlayToBridge(ctx context.Context, bridge string, p Play) (out Playback, err error) {
	return out, c.do(ctx, "POST", "/bridges/"+esc(bridge)+"/play/"+esc(p.ID), nil, p.body(), &out)
}

// StartBridgeMusic plays a music class to a bridge, "" is the default.
func (c *Client) StartBridgeMusic(ctx context.Context, bridge, class string) error {
	return c.do(ctx, "POST", "/bridges/"+esc(bridge)+"/moh", nil, params{}.add("mohClass", class), nil)
}

// StopBridgeMusic ends StartBridgeMusic.
func (c *Client) StopBridgeMusic(ctx context.Context, bridge string) error {
	return c.do(ctx, "DELETE", "/bridges/"+esc(bridge)+"/moh", nil, nil, nil)
}
