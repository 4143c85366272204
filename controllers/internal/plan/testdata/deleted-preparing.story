# A target is deleted, another given another pin, while their actions are prepared: nothing is sent to them any more.
targets: [web-1, web-2, web-3]
steps:
- {name: install, run: {shell: Bash, script: ./install}}
- {name: tell, condition: Always, run: {shell: Bash, script: ./tell}}
actions:
  "* install": {prepares: 20s}
events:
- {at: 5s, set: web-1=Deleted}
- {at: 6s, set: web-2=Changed}
-- story --
00:00    web-1 begins install
00:00    web-2 begins install
00:00    web-3 begins install
00:00  ? Running (Preparing): install waits on web-1: Preparing
00:00  ? Running (Preparing): install waits on web-2: Preparing
00:00  ? Running (Preparing): install waits on web-3: Preparing
00:05  ! web-1 is now Deleted
00:05    web-1 install: Cancelled (TargetDeleted): the target was deleted or recreated before install was sent to it
00:05  ? Running (Preparing): install waits on web-2: Preparing
00:05  ? Running (Preparing): install waits on web-3: Preparing
00:06  ! web-2 is now Changed
00:06    web-2 install: Cancelled (TargetChanged): the thumbprint of the target was changed before install was sent to it
00:06  ? Running (Preparing): install waits on web-3: Preparing
00:30  web-3 install: Succeeded
00:30    web-3 begins tell
00:30    (tell completes web-3)
00:40  web-3 tell: Succeeded
00:40  run Succeeded (Succeeded): all steps succeeded on 1 of 3 targets; deleted during the run: web-1; changed, or removed from the environment, during the run: web-2

progress 1/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:2 Unreached:0}
step   install        Succeeded 1/3
step   tell           Succeeded 1/3
target web-1          Skipped   TargetDeleted
target web-2          Skipped   TargetChanged
target web-3          Succeeded
