package softphone

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"
)

// wantArrivalTimes asks the kernel to note when each packet came, so that a busy
// machine does not move what was heard.
func wantArrivalTimes(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return // arrivalTime falls back on the clock
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	})
}

// arrivalTime reads the kernel's note, or takes the time of day.
func arrivalTime(oob []byte) time.Time {
	now := time.Now()
	msgs, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return now
	}
	for _, m := range msgs {
		if m.Header.Level == syscall.SOL_SOCKET && m.Header.Type == syscall.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			at := time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:])))
			// The age by the wall clock, taken off the monotonic one.
			if age := time.Duration(now.UnixNano() - at.UnixNano()); age > 0 && age < 10*time.Second {
				return now.Add(-age)
			}
		}
	}
	return now
}
