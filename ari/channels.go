package ari

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Channels lists every channel of Asterisk, whatever its application.
func (c *Client) Channels(ctx context.Context) (out []Channel, err error) {
	return out, c.do(ctx, "GET", "/channels", nil, nil, &out)
}

// Channel reads a channel. ErrNotFound: it hung up.
func (c *Client) Channel(ctx context.Context, id string) (out Channel, err error) {
	return out, c.do(ctx, "GET", "/channels/"+esc(id), nil, nil, &out)
}

// Originate is a channel to be made. ID and Endpoint are required.
type Originate struct {
	// ID is the new channel's, OtherID the second half's of a Local channel.
	ID, OtherID string
	// Endpoint is "PJSIP/2001" or "Local/exten@context/n".
	Endpoint string
	// App is the client's own when empty and Extension is empty too. Args are the application's.
	App, Args string
	// Context, Extension, Priority and Label are where an answered channel goes instead of an App.
	Context, Extension, Label string
	Priority                  int
	// CallerID is "Name <number>".
	CallerID string
	// Timeout bounds the ringing, rounded up to seconds; Asterisk's default (30 s) when 0.
	Timeout time.Duration
	// Variables are set before dialing; functions too: "PJSIP_HEADER(add,X-A)".
	Variables map[string]string
	// Originator is the channel whose formats the new one takes; Formats ("alaw,ulaw") where there is none.
	Originator, Formats string
}

// Originate makes a channel and dials; the answered channel enters the application.
// ErrConflict: the id is in use.
func (c *Client) Originate(ctx context.Context, o Originate) (out Channel, err error) {
	if o.App == "" && o.Extension == "" {
		o.App = c.cfg.App
	}
	body := o.body()
	body.add("context", o.Context).add("extension", o.Extension).add("label", o.Label).addInt("priority", o.Priority)
	body.add("callerId", o.CallerID).addInt("timeout", seconds(o.Timeout))
	return out, c.do(ctx, "POST", "/channels/"+esc(o.ID), nil, body, &out)
}

// Create makes a channel in the application without dialing; Dial it after its StasisStart,
// before it is ErrConflict. Context, Extension, CallerID and Timeout are not used.
func (c *Client) Create(ctx context.Context, o Originate) (out Channel, err error) {
	if o.App == "" {
		o.App = c.cfg.App
	}
	return out, c.do(ctx, "POST", "/channels/create", nil, o.body().add("channelId", o.ID), &out)
}

func (o Originate) body() params {
	body := params{}
	body.add("endpoint", o.Endpoint).add("app", o.App).add("appArgs", o.Args).add("otherChannelId", o.OtherID)
	body.add("originator", o.Originator).add("formats", o.Formats)
	if len(o.Variables) > 0 {
		body["variables"] = o.Variables
	}
	return body
}

// Dial dials a created channel. Caller may be empty; a timeout of 0 is Asterisk's.
func (c *Client) Dial(ctx context.Context, id, caller string, timeout time.Duration) error {
	return c.do(ctx, "POST", "/channels/"+esc(id)+"/dial", nil, params{}.add("caller", caller).addInt("timeout", seconds(timeout)), nil)
}

// Reasons for Hangup. A number is a Q.850 cause: Reason("21").
const (
	ReasonNormal            Reason = "normal"
	ReasonBusy              Reason = "busy"
	ReasonCongestion        Reason = "congestion"
	ReasonNoAnswer          Reason = "no_answer"
	ReasonTimeout           Reason = "timeout"
	ReasonRejected          Reason = "rejected"
	ReasonUnallocated       Reason = "unallocated"
	ReasonFailure           Reason = "failure"
	ReasonAnsweredElsewhere Reason = "answered_elsewhere"
)

// Reason says why a channel is hung up.
type Reason string

// Hangup ends a channel, at once, whatever it plays. An empty reason is normal.
func (c *Client) Hangup(ctx context.Context, id string, why Reason) error {
	q := url.Values{}
	if _, err := strconv.Atoi(string(why)); err == nil {
		q.Set("reason_code", string(why))
	} else if why != "" {
		q.Set("reason", string(why))
	}
	return c.do(ctx, "DELETE", "/channels/"+esc(id), q, nil, nil)
}

// Answer answers a channel. It waits for a playback to end.
func (c *Client) Answer(ctx context.Context, id string) error {
	return c.onChannel(ctx, "POST", id, "answer")
}

// Ring indicates ringing, StopRing ends it.
func (c *Client) Ring(ctx context.Context, id string) error {
	return c.onChannel(ctx, "POST", id, "ring")
}

// StopRing ends the ringing.
func (c *Client) StopRing(ctx context.Context, id string) error {
	return c.onChannel(ctx, "DELETE", id, "ring")
}

// Progress opens an early path for sound (183), before an answer.
func (c *Client) Progress(ctx context.Context, id string) error {
	return c.onChannel(ctx, "POST", id, "progress")
}

// Hold puts the far end on hold.
func (c *Client) Hold(ctx context.Context, id string) error {
	return c.onChannel(ctx, "POST", id, "hold")
}

// Unhold takes the far end off hold.
func (c *Client) Unhold(ctx context.Context, id string) error {
	return c.onChannel(ctx, "DELETE", id, "hold")
}

// StartMusic plays a music class to a channel; "" is the channel's own class. Outside a bridge a
// playback ends it for good.
func (c *Client) StartMusic(ctx context.Context, id, class string) error {
	return c.do(ctx, "POST", "/channels/"+esc(id)+"/moh", nil, params{}.add("mohClass", class), nil)
}

// StopMusic ends StartMusic.
func (c *Client) StopMusic(ctx context.Context, id string) error {
	return c.onChannel(ctx, "DELETE", id, "moh")
}

// StartSilence sends silence, so that the far end keeps getting packets.
func (c *Client) StartSilence(ctx context.Context, id string) error {
	return c.onChannel(ctx, "POST", id, "silence")
}

// StopSilence ends StartSilence.
func (c *Client) StopSilence(ctx context.Context, id string) error {
	return c.onChannel(ctx, "DELETE", id, "silence")
}

func (c *Client) onChannel(ctx context.Context, method, id, what string) error {
	return c.do(ctx, method, "/channels/"+esc(id)+"/"+what, nil, nil, nil)
}

// Place is a place in the dialplan; empty parts are where the channel came from.
type Place struct {
	Context, Extension, Label string
	Priority                  int
}

// Continue gives the channel back to the dialplan; StasisEnd follows.
func (c *Client) Continue(ctx context.Context, id string, to Place) error {
	body := params{}.add("context", to.Context).add("extension", to.Extension).add("label", to.Label).addInt("priority", to.Priority)
	return c.do(ctx, "POST", "/channels/"+esc(id)+"/continue", nil, body, nil)
}

// Play is a list of sounds to be played.
type Play struct {
	// ID is the playback's.
	ID string
	// Media are URIs: "sound:/path/without/extension", "digits:12", "tone:ring". They play in order; between
	// two comes PlaybackContinuing with NextMediaURI, before each PlaybackStarted.
	Media []string
	// Lang chooses the language of a sound that has a relative path.
	Lang string
	// Offset skips the start of the first.
	Offset time.Duration
}

func (p Play) body() params {
	body := params{"media": p.Media}
	return body.add("lang", p.Lang).addInt("offsetms", int(p.Offset.Milliseconds()))
}

// Play plays sounds to a channel, after what it plays already. In a holding
// bridge the channel alone hears them, and the music comes back.
func (c *Client) Play(ctx context.Context, channel string, p Play) (out Playback, err error) {
	return out, c.do(ctx, "POST", "/channels/"+esc(channel)+"/play/"+esc(p.ID), nil, p.body(), &out)
}

// StopPlayback ends a playback, the rest of its list too, at once. ErrNotFound: it ended.
//
// For an instant as a sound starts, after its PlaybackStarted, Asterisk says 500 "Could not stop
// playback" and plays on. That answer alone is tried again, every 10 ms. A list that is stopped between
// two sounds ends without PlaybackFinished: do not wait for it after a stop.
func (c *Client) StopPlayback(ctx context.Context, id string) error {
	var e *Error
	for try := 0; ; try++ {
		err := c.do(ctx, "DELETE", "/playbacks/"+esc(id), nil, nil, nil)
		if !errors.As(err, &e) || e.Status != http.StatusInternalServerError || try == stopTries {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// stopTries bounds the tries to half a second; the instant lasts as long as it takes to open a file.
const stopTries = 50

// Playback reads a playback. ErrNotFound: it ended.
func (c *Client) Playback(ctx context.Context, id string) (out Playback, err error) {
	return out, c.do(ctx, "GET", "/playbacks/"+esc(id), nil, nil, &out)
}

// Variable reads a channel's variable or function. A variable that is not set is
// ErrNotFound, as is a channel that is gone.
func (c *Client) Variable(ctx context.Context, id, name string) (string, error) {
	var out Variable
	err := c.do(ctx, "GET", "/channels/"+esc(id)+"/variable", url.Values{"variable": {name}}, nil, &out)
	return out.Value, err
}

// SetVariable sets a channel's variable or function: "CHANNEL(musicclass)".
func (c *Client) SetVariable(ctx context.Context, id, name, value string) error {
	return c.do(ctx, "POST", "/channels/"+esc(id)+"/variable", nil, params{"variable": name, "value": value}, nil)
}

// SendDTMF sends keys to the far end, 100 ms each and 100 ms apart.
func (c *Client) SendDTMF(ctx context.Context, id, keys string) error {
	return c.do(ctx, "POST", "/channels/"+esc(id)+"/dtmf", nil, params{"dtmf": keys}, nil)
}

// TransferState is how a transfer the application carries out goes.
type TransferState string

const (
	// TransferProgress: it goes on. May be sent again.
	TransferProgress TransferState = "channel_progress"
	// TransferAnswered ends it well: the phone hangs up its calls.
	TransferAnswered TransferState = "channel_answered"
	// TransferUnavailable and TransferDeclined end it badly: the phone keeps its call.
	TransferUnavailable TransferState = "channel_unavailable"
	TransferDeclined    TransferState = "channel_declined"
)

// TransferProgress tells the phone that asked for a transfer (ChannelTransfer's
// ReferredBy.SourceChannel) how it goes. A further ChannelTransfer with State set echoes it.
func (c *Client) TransferProgress(ctx context.Context, id string, s TransferState) error {
	return c.do(ctx, "POST", "/channels/"+esc(id)+"/transfer_progress", nil, params{"states": s}, nil)
}

// params is a command's body, without what was left empty.
type params map[string]any

func (p params) add(name, value string) params {
	if value != "" {
		p[name] = value
	}
	return p
}

func (p params) addInt(name string, value int) params {
	if value != 0 {
		p[name] = value
	}
	return p
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
