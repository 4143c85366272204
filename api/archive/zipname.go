package archive

import (
	"archive/zip"
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

// zipName is the name of an entry, in UTF-8: as its flag says, or as programs on Unix write it without a flag; otherwise it is
// in CP437, the characters of DOS.
func zipName(f *zip.File) string {
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

// cp437 has the characters from 0x80 on.
var cp437 = []rune("ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0")
