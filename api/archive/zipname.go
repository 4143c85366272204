package archive

import (
	"archive/zip"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"unicode/utf8"
)

// The systems that a zip can be from, and that write modes and names as Unix has them.
const (
	zipUnix  = 3
	zipMacOS = 19
)

func fromUnix(f *zip.File) bool {
	system := f.CreatorVersion >> 8
	return system == zipUnix || system == zipMacOS
}

// hasMode tells whether a zip says the permissions of an entry. Those from other systems, and of some libraries, do not.
func hasMode(f *zip.File) bool { return fromUnix(f) && f.ExternalAttrs>>16&0o777 != 0 }

// zipName is the name of an entry, in UTF-8: as its flag says, as programs of Windows write it beside one in the characters of their
// system, or as programs on Unix write it without a flag; otherwise it is in CP437, the characters of DOS.
func zipName(f *zip.File) string {
	if name, ok := unicodePath(f); ok {
		return name
	}
	if !f.NonUTF8 || fromUnix(f) && utf8.ValidString(f.Name) {
		return f.Name
	}
	var b strings.Builder
	for i := range len(f.Name) {
		if c := f.Name[i]; c < utf8.RuneSelf {
			b.WriteByte(c)
		} else {
			b.WriteRune(cp437[c-utf8.RuneSelf])
		}
	}
	return b.String()
}

// unicodeField is the field of a name in UTF-8 (Info-ZIP's "up"): a version, the checksum of the other name, and the name.
const unicodeField = 0x7075

// unicodePath is the name in that field, which holds as long as the other one is still what it was written for.
func unicodePath(f *zip.File) (string, bool) {
	for extra := f.Extra; len(extra) >= 4; {
		field, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			break
		}
		data := extra[:size]
		extra = extra[size:]
		if field == unicodeField && size > 5 && data[0] == 1 && binary.LittleEndian.Uint32(data[1:]) == crc32.ChecksumIEEE([]byte(f.Name)) && utf8.Valid(data[5:]) {
			return string(data[5:]), true
		}
	}
	return "", false
}

// cp437 has the characters from 0x80 on.
var cp437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0")
