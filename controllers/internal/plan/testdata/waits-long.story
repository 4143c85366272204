# A step's timeout does not count while its action is prepared, nor what it waits for a machine from then.
targets: [web-1]
steps:
- {name: install, timeout: 1m, run: {shell: Bash, script: ./install}}
actions:
  web-1 install: {prepares: 40m, for: PackagePending web 1.4.2 is being fetched, waits: 90s, takes: 50s}
-- story --
00:00    web-1 begins install
00:00    (install completes web-1)
00:00  ? Waiting (PackagePending): install waits on web-1: web 1.4.2 is being fetched
40:00  ? Waiting (MachineBusy): install waits on web-1: another script runs there
42:20  web-1 install: Succeeded
42:20  run Succeeded (Succeeded): all steps succeeded on 1 target

progress 1/1, targets: {Total:1 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:0 Unreached:0}
step   install        Succeeded 1/1
target web-1          Succeeded
