package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// spill is the file that takes the journal's events when memory is full or the process ends
// without a database: one JSON object a line, oldest first. One process owns it, by a lock on
// a file beside it. Only the journal's writer calls its methods.
type spill struct {
	path, badPath string
	log           *slog.Logger
	lock          *os.File // nil: the file belongs to another process, or to none
	file          *os.File // nil while there is nothing in it
	size          int64
	read          int64 // up to here its events are committed
	ahead         int64 // where the last next ended
	count         int   // lines from read on
	taken         int   // lines the last next went over
}

var errSpillTaken = errors.New("the spill file belongs to another process")

// openSpill takes the file over from an earlier run; with own false it leaves it alone.
func openSpill(dir string, own bool, log *slog.Logger) (*spill, error) {
	s := &spill{
		path:    filepath.Join(dir, "journal.spill.jsonl"),
		badPath: filepath.Join(dir, "journal.spill.bad.jsonl"),
		log:     log,
	}
	if !own {
		return s, nil
	}
	lock, err := os.OpenFile(filepath.Join(dir, "journal.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the journal's lock file: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		log.Warn("another process owns the journal's spill file: events that cannot be written are kept in memory only", "file", s.path)
		return s, lock.Close()
	}
	s.lock = lock
	if err := s.takeOver(); err != nil {
		return nil, errors.Join(fmt.Errorf("the journal's spill file %s: %w", s.path, err), s.close())
	}
	return s, nil
}

// takeOver counts the lines of an earlier run. A last line without its end was cut by a crash:
// ended here, it is found unreadable later and set aside like any such line.
func (s *spill) takeOver() error {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.file = f
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := r.ReadSlice('\n')
		s.size += int64(len(line))
		switch {
		case err == nil:
			s.count++
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF:
			if len(line) > 0 {
				n, err := f.WriteString("\n")
				s.size += int64(n)
				s.count++
				return err
			}
			return nil
		default:
			return err
		}
	}
}

// append writes the records behind what is there, all or none.
func (s *spill) append(recs []record) error {
	if s.lock == nil {
		return errSpillTaken
	}
	text, err := encodeRecords(recs)
	if err != nil {
		return err
	}
	if s.file == nil {
		if s.file, err = os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
			return err
		}
		s.size, s.read, s.count = 0, 0, 0
	}
	n, err := s.file.Write(text)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, s.file.Truncate(s.size))
		}
		return err
	}
	s.size += int64(n)
	s.count += len(recs)
	return nil
}

func encodeRecords(recs []record) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, r := range recs {
		if err := enc.Encode(r); err != nil {
			return nil, fmt.Errorf("encode an event: %w", err)
		}
	}
	return b.Bytes(), nil
}

// next reads up to n of the oldest records; advance makes them gone. Lines that cannot be
// read are moved to the file of bad lines and counted.
func (s *spill) next(n int) (recs []record, unread int, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(s.file, s.read, s.size-s.read), 1<<16)
	s.ahead, s.taken = s.read, 0
	var bad []byte
	for s.taken < n && s.ahead < s.size {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, 0, err
		}
		s.ahead += int64(len(line))
		s.taken++
		var rec record
		if json.Unmarshal(line, &rec) != nil || rec.Writer == "" || rec.Seq <= 0 {
			bad = append(bad, line...)
			unread++
			continue
		}
		recs = append(recs, rec)
	}
	if unread > 0 {
		if err := appendFile(s.badPath, bad); err != nil {
			return nil, 0, fmt.Errorf("set unreadable lines aside: %w", err)
		}
		s.log.Error("lines of the journal's spill file cannot be read and are set aside", "lines", unread, "file", s.badPath)
	}
	return recs, unread, nil
}

func appendFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// advance forgets what the last next gave; an empty file is removed.
func (s *spill) advance() error {
	s.read = s.ahead
	s.count -= s.taken
	s.taken = 0
	if s.read < s.size {
		return nil
	}
	err := errors.Join(os.Remove(s.path), s.file.Close())
	s.file, s.size, s.read, s.count = nil, 0, 0, 0
	return err
}

// putAway keeps older before, and newer after, what is in the file, durably. A crash in the
// middle leaves the file as it was.
func (s *spill) putAway(older, newer []record) error {
	if s.lock == nil {
		return errSpillTaken
	}
	head, err := encodeRecords(older)
	if err != nil {
		return err
	}
	tail, err := encodeRecords(newer)
	if err != nil {
		return err
	}
	tmp, err := os.OpenFile(s.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(head)
	if err == nil && s.file != nil {
		_, err = io.Copy(tmp, io.NewSectionReader(s.file, s.read, s.size-s.read))
	}
	if err == nil {
		_, err = tmp.Write(tail)
	}
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	if err := os.Rename(tmp.Name(), s.path); err != nil {
		return err
	}
	s.count += len(older) + len(newer)
	return nil
}

func (s *spill) close() error {
	var errs []error
	if s.file != nil {
		errs = append(errs, s.file.Close())
		s.file = nil
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close()) // which unlocks it
		s.lock = nil
	}
	return errors.Join(errs...)
}
