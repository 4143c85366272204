package scripts

func daemonMain(string) int { return 1 }
