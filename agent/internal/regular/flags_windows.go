package regular

// noWait is nothing: no file of Windows' file systems makes an open wait.
const noWait = 0
