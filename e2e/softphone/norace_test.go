//go:build !race

package softphone

const raceDetector = false
