package regular

// NoWait is nothing: no file of Windows' file systems makes an open wait.
const NoWait = 0
