package softphone

// Prompt is something that may be heard: its sound at 8 kHz, mono.
type Prompt struct {
	Name string
	PCM  []int16
}
