package server

// page is what a browser gets that opens the port.
const page = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Mantle Tentacle</title></head>
<body>
<h1>This is a Mantle Tentacle</h1>
<p>It waits here for deployments, and obeys only the operators that the owner of this machine has trusted.
There is nothing to see for a browser.</p>
<p>To ask what it is set up for, run <code>tentacle show</code> on the machine.</p>
</body>
</html>`
