package process

// adopts says whether this system lets a process adopt orphans.
func adopts() bool { return false }
