package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// The cost of a password: RFC 9106, section 4, the second recommended option has 64 MiB and three passes.
const (
	memory  = 64 << 10 // KiB
	passes  = 3
	lanes   = 4
	saltLen = 16
	keyLen  = 32
)

// atOnce bounds how many passwords are hashed at a time: each takes 64 MiB and a processor, which
// the calls need more.
var atOnce = make(chan struct{}, 2)

const (
	shortest = 12
	longest  = 200
)

// judge says what is wrong with a password: it is short, too long, or no secret at all.
func judge(name, password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case n < shortest:
		return &Fault{"password", "short"}
	case n > longest || !utf8.ValidString(password):
		return &Fault{"password", "long"}
	case strings.EqualFold(strings.TrimSpace(password), name) || strings.Count(password, password[:1]) == len(password):
		return &Fault{"password", "same"}
	}
	return nil
}

// hashPassword hashes with a memory in KiB; 0 is the recommended one.
func hashPassword(ctx context.Context, password string, kib uint32) (string, error) {
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails
	kib = cmp.Or(kib, memory)
	key, err := derive(ctx, password, salt, passes, kib, lanes, keyLen)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, kib, passes, lanes, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}

func derive(ctx context.Context, password string, salt []byte, t, m uint32, p uint8, n uint32) ([]byte, error) {
	select {
	case atOnce <- struct{}{}:
		defer func() { <-atOnce }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, t, m, p, n), nil
}

// samePassword compares with a hash; one that is empty or no hash is nobody's, and takes as long.
func samePassword(ctx context.Context, hash, password string) (bool, error) {
	var version int
	var m, t uint32
	var p uint8
	var salt, want []byte
	parts := strings.Split(hash, "$")
	known := len(parts) == 6 && parts[1] == "argon2id"
	if known {
		_, err1 := fmt.Sscanf(parts[2], "v=%d", &version)
		_, err2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p)
		var err3, err4 error
		salt, err3 = base64.RawStdEncoding.DecodeString(parts[4])
		want, err4 = base64.RawStdEncoding.DecodeString(parts[5])
		known = err1 == nil && err2 == nil && err3 == nil && err4 == nil && version == argon2.Version && len(want) >= 16 && t > 0 && p > 0 && m <= 1<<20
	}
	if !known {
		salt, want, t, m, p = make([]byte, saltLen), make([]byte, keyLen), passes, memory, lanes
	}
	if utf8.RuneCountInString(password) > longest {
		password = "" // no account's
	}
	got, err := derive(ctx, password, salt, t, m, p, uint32(len(want)))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1 && known, err
}
