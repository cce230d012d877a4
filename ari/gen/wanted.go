package main

// wantedEvents are the events ari decodes, each with what its documentation says.
// The order is the order of the generated file.
var wantedEvents = []doc{
	{"StasisStart", "says that a channel entered the application."},
	{"StasisEnd", "says that a channel left the application: it hung up, or went on in the dialplan."},
	{"ChannelDestroyed", "says that a channel is gone; Cause is a Q.850 cause. It comes for channels made by a command; of one that came from the dialplan StasisEnd is the last word."},
	{"ChannelHangupRequest", "says that a channel was asked to hang up, before its StasisEnd. By the far end: Cause is a Q.850 cause, 0 when none was told. Soft: by Asterisk itself, and Cause has flags: 1 the driver gave it up (no RTP came), 4 Asterisk stops, 8 its time is up, 32 a command."},
	{"ChannelDtmfReceived", "brings one key, when it is released."},
	{"ChannelStateChange", "says that a channel rings, was answered and so on."},
	{"ChannelTalkingStarted", "says that sound comes from the far end, where TALK_DETECT is set on the channel."},
	{"ChannelTalkingFinished", "says that it has been silent for as long as TALK_DETECT waits; Duration (ms) is that of the sound, the silence not included."},
	{"ChannelHold", "says that the far end put the call on hold."},
	{"ChannelUnhold", "says that the far end took the call off hold."},
	{"ChannelEnteredBridge", "says that a channel is in a bridge."},
	{"ChannelLeftBridge", "says that a channel is out of a bridge."},
	{"BridgeDestroyed", "says that a bridge is gone."},
	{"BridgeBlindTransfer", "says that Asterisk carried out a blind transfer."},
	{"BridgeAttendedTransfer", "says that Asterisk carried out an attended transfer."},
	{"ChannelTransfer", "says that a phone asked for a transfer which the application must carry out (PJSIP_TRANSFER_HANDLING is ari-only on its channel). State is empty in a request; Client.TransferProgress echoes an event with it set. Attended: RequestedDestination has a ProtocolID."},
	{"PlaybackStarted", "comes before each sound of a playback."},
	{"PlaybackContinuing", "comes between two sounds of a playback: MediaURI ended, NextMediaURI follows."},
	{"PlaybackFinished", "ends a playback. State is done (also when it was stopped) or failed (no such file, or the channel is gone)."},
	{"Dial", "reports on the dialing of Peer."},
	{"ApplicationReplaced", "says that another websocket took the application. Run ends with ErrReplaced."},
	{"ApplicationMoveFailed", "says that a channel could not be moved to another application."},
	{"DeviceStateChanged", "reports a device's state, after a Subscribe to it."},
	{"EndpointStateChange", "reports an endpoint's state, after a Subscribe to it."},
	{"PeerStatusChange", "reports an endpoint's registration, after a Subscribe to it."},
	{"ContactStatusChange", "reports whether a phone answers, after a Subscribe to its endpoint."},
}

// wantedModels are what commands return; what they and the events refer to comes along.
var wantedModels = []doc{
	{"Application", "is an application as Asterisk knows it."},
	{"AsteriskInfo", "is what Asterisk tells of itself."},
	{"AsteriskPing", "is Asterisk's answer to a ping."},
	{"Bridge", "is a bridge."},
	{"Channel", "is a channel."},
	{"ConfigTuple", "is one field of a configuration object."},
	{"DeviceState", "is the state of a device."},
	{"Endpoint", "is an endpoint; State is online, offline or unknown."},
	{"Playback", "is a list of sounds that plays."},
	{"Variable", "is the value of a variable."},
}

type doc struct{ name, says string }
