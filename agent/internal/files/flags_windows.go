package files

// openFlags keep an open from waiting; nothing on Windows' file systems makes one wait.
const openFlags = 0
