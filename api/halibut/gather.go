package halibut

import "net"

// gathering is a connection below TLS. While it gathers, it keeps what is written, so that several records leave in one write.
// It has one writer.
type gathering struct {
	net.Conn
	on   bool
	kept []byte
}

// Write writes p, or keeps it until there is as much as a record can hold.
func (g *gathering) Write(p []byte) (int, error) {
	if !g.on || len(g.kept) == 0 && len(p) >= recordSize {
		return g.Conn.Write(p)
	}
	if g.kept = append(g.kept, p...); len(g.kept) < recordSize {
		return len(p), nil
	}
	return len(p), g.write()
}

// flush ends the gathering, and writes what was kept.
func (g *gathering) flush() error {
	g.on = false
	err := g.write()
	g.kept = nil
	return err
}

func (g *gathering) write() error {
	if len(g.kept) == 0 {
		return nil
	}
	_, err := g.Conn.Write(g.kept)
	g.kept = g.kept[:0]
	return err
}
