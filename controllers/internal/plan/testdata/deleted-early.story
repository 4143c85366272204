# A target that is deleted has no roles any more; it ends as deleted all the same, at its turn and in flight.
targets: [web-1 web, web-2 web, web-3 web]
steps:
- {name: install, roles: [web], window: 1, run: {shell: Bash, script: ./install}}
events:
- {at: 5s, roles: web-1=, set: web-1=Deleted}
- {at: 5s, roles: web-3=, set: web-3=Deleted}
-- story --
00:00    web-1 begins install (1 of 1 in flight)
00:00    (install completes web-1)
00:05  ! web-1 has the roles "" now
00:05  ! web-1 is now Deleted
00:05  ! web-3 has the roles "" now
00:05  ! web-3 is now Deleted
00:05    web-1 install: Cancelled (TargetDeleted): the target was deleted or recreated while install was running; its result is no longer tracked: web-1 (10.0.0.1:10933)
00:05    web-2 begins install (1 of 1 in flight)
00:05    (install completes web-2)
00:15  web-2 install: Succeeded
00:15    web-3 install: Skipped (TargetDeleted): the target was deleted or recreated
00:15  run Succeeded (Succeeded): all steps succeeded on 1 of 3 targets; deleted during the run: web-1, web-3

progress 2/3, targets: {Total:3 Pending:0 Running:0 Succeeded:1 Failed:0 Skipped:2 Unreached:0}
step   install        Succeeded 1/3
target web-1          Cancelled TargetDeleted
target web-2          Succeeded
target web-3          Skipped   TargetDeleted
