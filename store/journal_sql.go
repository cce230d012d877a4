package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"decroche/call"
)

// record is an event as it is written, and as the spill file keeps it.
type record struct {
	Writer string          `json:"w"`
	Seq    int64           `json:"s"`
	At     int64           `json:"at"`
	Call   string          `json:"call,omitempty"`
	Kind   string          `json:"kind"`
	Data   json.RawMessage `json:"data"`
}

// prepare makes an event fit for both engines and takes personal data out. It returns false
// when the event's data was no JSON.
func (j *Journal) prepare(n numbered) (record, bool) {
	rec := record{
		Writer: j.writer, Seq: n.seq, At: millis(n.ev.At),
		Call: clean(string(n.ev.Call)), Kind: clean(string(n.ev.Kind)),
	}
	data, valid := n.ev.Data, true
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	if !json.Valid(data) {
		valid = false
		data, _ = json.Marshal(map[string]string{"malformed": string(data)}) // strings always encode
	}
	if n.ev.Kind == call.EventArrived {
		data = pseudonymise(data, j.key)
	}
	rec.Data = json.RawMessage(clean(string(data)))
	return rec, valid
}

// pseudonymise masks "from" and adds "caller", a keyed pseudonym, so that repeated calls can
// be counted without the number. Withheld numbers get none.
func pseudonymise(data json.RawMessage, key []byte) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return json.RawMessage(`{"malformed":"arrived without an object"}`) // it might hold a number
	}
	raw, has := fields["from"]
	if !has {
		return data
	}
	var from call.Number
	if json.Unmarshal(raw, &from) != nil {
		delete(fields, "from")
	} else {
		set := func(k, v string) { fields[k], _ = json.Marshal(v) } // strings always encode
		set("from", from.Masked())
		if from != call.Withheld {
			set("caller", Pseudonym(key, from))
		}
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}

// Pseudonym is the keyed pseudonym of a number: 32 hexadecimal digits.
func Pseudonym(key []byte, n call.Number) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(n))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// pseudonymKey returns the key of the options, or that of the data folder, made at first use.
func pseudonymKey(opts Options) ([]byte, error) {
	if len(opts.PseudonymKey) > 0 {
		return opts.PseudonymKey, nil
	}
	path := filepath.Join(opts.DataDir, "pseudonym.key")
	fresh := make([]byte, 32)
	rand.Read(fresh)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, werr := f.WriteString(hex.EncodeToString(fresh) + "\n")
		if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
			return nil, errors.Join(fmt.Errorf("write the key of the pseudonyms: %w", err), os.Remove(path))
		}
		return fresh, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key of the pseudonyms: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("the key of the pseudonyms, %s, is damaged: put it back from a backup, or remove it (callers then get new pseudonyms)", path)
	}
	return key, nil
}

// writeRecords commits the records. The last number of each writer is committed with them, so
// records already there (the answer to a commit was lost, a spill file is read twice) are
// left out. The records of one writer come in the order of their numbers.
func writeRecords(ctx context.Context, e *engine, recs []record) error {
	return e.write(ctx, ordinary, func(tx *sql.Tx) error {
		args := make([]any, 0, 4*len(recs))
		for start := 0; start < len(recs); {
			end := start + 1
			for end < len(recs) && recs[end].Writer == recs[start].Writer {
				end++
			}
			have := int64(0)
			err := tx.QueryRowContext(ctx, `SELECT seq FROM journal_writers WHERE writer = $1`, recs[start].Writer).Scan(&have)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			top := have
			for _, r := range recs[start:end] {
				if r.Seq > top {
					top = r.Seq
					args = append(args, r.At, r.Call, r.Kind, string(r.Data))
				}
			}
			if top > have {
				_, err := tx.ExecContext(ctx, `INSERT INTO journal_writers (writer, seq, at) VALUES ($1, $2, $3)
					ON CONFLICT (writer) DO UPDATE SET seq = excluded.seq, at = excluded.at`,
					recs[start].Writer, top, time.Now().UnixMilli())
				if err != nil {
					return err
				}
			}
			start = end
		}
		return e.execRows(ctx, tx, `INSERT INTO journal (at, call_id, kind, data)`, 4, ``, args)
	})
}

// Entry is an event of the journal as it is kept.
type Entry struct {
	ID int64
	call.Event
}

// Filter chooses entries; zero fields choose all.
type Filter struct {
	Call         call.ID
	Kinds        []call.EventKind
	Since, Until time.Time // Since ≤ At < Until
	After        int64     // ids above it
	Limit        int
}

// readPage is how many entries are read at a time, so that a slow reader holds no transaction.
const readPage = 1000

// Read calls fn for the chosen entries in the order of their ids, until fn returns an error,
// which Read returns. Events appended a moment ago may be missing: Flush first if they matter.
func (j *Journal) Read(ctx context.Context, f Filter, fn func(Entry) error) error {
	where, args := f.where()
	after, left := f.After, f.Limit
	for {
		n := readPage
		if f.Limit > 0 {
			n = min(n, left)
		}
		if n == 0 {
			return nil
		}
		query := `SELECT id, at, call_id, kind, data FROM journal WHERE id > $1` + where + ` ORDER BY id LIMIT ` + strconv.Itoa(n)
		page, err := rowsOf(ctx, j.eng.reader, scanEntry, query, append([]any{after}, args...)...)
		if err != nil {
			return fmt.Errorf("read the journal: %w", j.eng.explain(err))
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return err
			}
		}
		if len(page) < n {
			return nil
		}
		after, left = page[len(page)-1].ID, left-len(page)
	}
}

// where writes the filter as SQL whose arguments start at $2.
func (f Filter) where() (string, []any) {
	var b strings.Builder
	var args []any
	add := func(cond string, v any) {
		args = append(args, v)
		fmt.Fprintf(&b, " AND "+cond, len(args)+1)
	}
	if f.Call != "" {
		add("call_id = $%d", string(f.Call))
	}
	if !f.Since.IsZero() {
		add("at >= $%d", millis(f.Since))
	}
	if !f.Until.IsZero() {
		add("at < $%d", millis(f.Until))
	}
	for i, k := range f.Kinds {
		args = append(args, string(k))
		sep := ","
		if i == 0 {
			sep = " AND kind IN ("
		}
		fmt.Fprintf(&b, "%s$%d", sep, len(args)+1)
	}
	if len(f.Kinds) > 0 {
		b.WriteByte(')')
	}
	return b.String(), args
}

func scanEntry(rows *sql.Rows) (Entry, error) {
	var e Entry
	var at int64
	var data string
	err := rows.Scan(&e.ID, &at, &e.Call, &e.Kind, &data)
	e.At, e.Data = fromMillis(at), json.RawMessage(data)
	return e, err
}
