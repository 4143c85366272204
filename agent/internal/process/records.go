package process

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
)

// A ticket file is what a start asked for. It begins with ticketMagic and a version; records follow: the command, for a step
// its plan and secrets, and the end. A record is its kind (a byte), the length of its content (4 bytes, the highest first), the
// CRC-32C of kind, length and content (4 bytes), and the content.
const (
	ticketSuffix  = "+ticket" // of the folder's name; no ticket has a "+"
	ticketMagic   = "tentacle ticket "
	ticketVersion = "1\n"
	ticketHead    = len(ticketMagic) + len(ticketVersion)
	recordHead    = 1 + 4 + 4

	recordCommand = 'c'
	recordProblem = 'x' // why there is no plan
	recordPlan    = 'p'
	recordSecrets = 's'
	recordEnd     = 'e'
)

// maxTicketFile bounds what is read of a ticket file.
const maxTicketFile = maxStateFile + step.MaxPlanSize + step.MaxSecretsSize + 64<<10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn says that the command of a ticket file is not whole, as it is when the power fails before the file is synced.
var errTorn = errors.New("the ticket file is not whole")

// ticketFile is what is whole in a ticket file.
type ticketFile struct {
	command []byte
	rest    int      // where the command's record ends
	content *Content // nil if there is none
	whole   bool
}

// parseTicket takes a ticket file apart. It fails with errTorn if the command is not whole, and with ErrNewer.
func parseTicket(data []byte) (ticketFile, error) {
	rest, err := checkMagic(data)
	if err != nil {
		return ticketFile{}, err
	}
	kind, command, rest, ok := cutRecord(rest)
	if !ok {
		return ticketFile{}, errTorn
	}
	if kind != recordCommand || len(command) > maxStateFile || len(data) > maxTicketFile {
		return ticketFile{}, errors.New("it is no ticket file")
	}
	t := ticketFile{command: command, rest: len(data) - len(rest)}
	t.content, t.whole = parseContent(rest)
	return t, nil
}

// checkMagic returns what follows the magic of a ticket file.
func checkMagic(data []byte) ([]byte, error) {
	const magic = ticketMagic + ticketVersion
	rest, found := bytes.CutPrefix(data, []byte(magic))
	switch {
	case found:
		return rest, nil
	case bytes.HasPrefix([]byte(magic), data), len(bytes.Trim(data, "\x00")) == 0, bytes.IndexByte(data[:min(len(data), ticketHead)], 0) >= 0:
		return nil, errTorn
	}
	version, found := strings.CutPrefix(string(data[:min(len(data), 64)]), ticketMagic)
	number, _, line := strings.Cut(version, "\n")
	if n, err := strconv.Atoi(number); found && line && err == nil && n > 1 {
		return nil, ErrNewer
	}
	return nil, errors.New("it is no ticket file")
}

// parseContent reads the records behind the command. whole is false if one is missing, or if there is something else.
func parseContent(data []byte) (c *Content, whole bool) {
	kind, content, rest, ok := cutRecord(data)
	if ok && (kind == recordPlan || kind == recordProblem) {
		c = &Content{Plan: content}
		if kind == recordProblem {
			c = &Content{Problem: string(content)}
		}
		kind, content, rest, ok = cutRecord(rest)
	}
	if ok && kind == recordSecrets && c != nil && c.Problem == "" {
		c.Secrets = content
		kind, content, rest, ok = cutRecord(rest)
	}
	if !ok || kind != recordEnd || len(content)+len(rest) > 0 {
		return nil, false
	}
	return c, true
}

// cutRecord returns the first record of data and what follows it; ok is false where there is none that is whole.
func cutRecord(data []byte) (kind byte, content, rest []byte, ok bool) {
	if len(data) < recordHead {
		return 0, nil, nil, false
	}
	length, sum := binary.BigEndian.Uint32(data[1:]), binary.BigEndian.Uint32(data[5:])
	body := data[recordHead:]
	if uint64(length) > uint64(len(body)) {
		return 0, nil, nil, false
	}
	content, rest = body[:length:length], body[length:]
	return data[0], content, rest, sum == recordSum(data[:5], content)
}

func recordSum(head, content []byte) uint32 {
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, content)
}

func appendRecord(to []byte, kind byte, content []byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(content))) // #nosec G115 -- bounded by encodeTicket
	head = binary.BigEndian.AppendUint32(head, recordSum(head, content))
	return append(append(to, head...), content...)
}

func encodeTicket(command any, c *Content) ([]byte, error) {
	line, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	data := appendRecord([]byte(ticketMagic+ticketVersion), recordCommand, line)
	switch {
	case c == nil:
	case c.Problem != "":
		data = appendRecord(data, recordProblem, []byte(c.Problem))
	default:
		data = appendRecord(data, recordPlan, c.Plan)
		if c.Secrets != nil {
			data = appendRecord(data, recordSecrets, c.Secrets)
		}
	}
	data = appendRecord(data, recordEnd, nil)
	if len(line) > maxStateFile || len(data) > maxTicketFile {
		return nil, fmt.Errorf("%d bytes are too many", len(data))
	}
	return data, nil
}
