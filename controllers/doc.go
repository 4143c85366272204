// Package controllers is the operator: one package for each kind, and Setup, the one list of what runs.
//
// # How a deployment flows
//
//	ReleaseBinding ──► binding ──► DeploymentRun ──► run ◄────────── reports ──────────┐
//	      ▲                                           │                                │
//	      │                           plan ◄── ledger ┴──► dispatch ──► session ──► machine
//	      │                                      │        (compose)
//	      └── target: status.installed ◄── DeploymentRunSlice
//
// A binding compares what it desires with what its targets show, and makes a run. The run waits for what it needs, fixes
// its set of targets and writes them into slices. Each pass of it then takes what was reported into the ledger, asks plan
// what to do, writes that into the slices, and only then hands actions to dispatch. An action builds what it sends
// (compose); a session brings it to the machine, starts it once by its ticket, and follows it. What it reports enqueues the
// run. The machine is told that it may forget a result once a slice has it. Targets show in status.installed what the slices
// say, and so the binding comes to rest.
//
// A pass never waits for a machine or a package: what they find out enqueues the object again.
//
// # Who may import whom
//
// Kinds do not import each other. Below controllers/internal, and as depguard and forbidigo have it (.golangci.yml):
//
//	pure     plan scope desired text          have no context, client, clock or logger
//	holds    ledger                           decides and sends nothing; plan reads its attempts
//	does     compose dispatch recorded        dispatch is given what it sends, and knows no API server
//	doors    session                          alone calls machines, and knows no API server
//	         feed packages                    alone fetch packages, and keep them on the disk
//	         logs                             alone keeps output on the disk
//	         identity snapshot status         alone touch keys, frozen processes, and the status of objects
//	others   access addresses fair lease metrics notify optional turns: one small thing each
//
// # What is kept in memory
//
// All of it may be lost: the next process makes it anew from the API server, the machines and the disk. A line tells what
// is kept | by what | at most how much | when it goes | what its loss means; below it are the tests that fail where the line
// of code is taken out that cleans. A dash is nothing.
//
// Of runs:
//
//	runs of package run | name | the unfinished ones | when they have ended, or are gone | slices are read again
//	    run: ARunThatHasEndedLeavesNothing, ARunThatVanishesLeavesNothing
//	turns | project and environment | one for a run | with the run, or while it waits for something else | the API server is asked
//	    run: ATurnIsGivenBack, ARunThatVanishesLeavesNothing
//	runs that are gone | name | those since the last pass of the name | with the next pass of the name | logs are swept at the start
//	    run: ARunThatVanishesLeavesNothing
//	the ledger of a run | target and step | 500 slices, and in memory what they store | with the run, or by a conflict | it is loaded
//	    run: ARunThatHasEndedLeavesNothing; ledger: AResultIsFinal, OutputsAreTheSameForTheNextLeader
//	waits that an event told of | run and reason | 8 of a run | with the run | each is told once more
//	    run: FewEventsTellWhatARunWaitsFor, ARunThatVanishesLeavesNothing
//	runs to take over | name | the unfinished ones when it began to lead | with their next pass | they are not measured
//	    run: ATakeoverIsOverWhenEachRunHadItsPass
//	values of a run | kind and name | 512 objects, 8 MiB | after 5 s | they are read again
//	    compose: ASecretIsReadOnceAndNotKept, SecretsGoThoughNobodyAsksAnyMore, WhatIsKeptOfARunsValuesIsBounded
//	packages of a run | - | those of its release | with the ledger | the release is read again
//	    run: ARunThatHasEndedLeavesNothing
//
// Of actions and machines:
//
//	actions | ticket, run, target | those in flight | when their machine is told, dropped, or with the run | machines are asked
//	    dispatch: NothingIsKeptOfARunWithoutActions; run: ARunThatAnotherProcessEndsLeavesNothing
//	turns of actions | namespace | 10,000 of one namespace go, 512 of them to their machines, the others wait | with their actions | -
//	    dispatch: NothingIsKeptOfARunWithoutActions, ActionsOfOneNamespaceAreBounded, FewAreOnTheirWayAtOnce
//	answers of machines | namespace | 16 MiB, and what was read in the last seconds | when decoded; when paid for | -
//	    session: AnswersTakeRoom
//	actions that wait for others | namespace | those that slices say | when their turn comes, or with the action | machines are asked
//	    dispatch: NothingIsKeptOfARunWithoutActions
//	answers that are read | namespace | 16 MiB at once, 16 MiB a second | when they are paid for | -
//	    session: AnswersTakeRoom
//	clients and endpoints | identity, address and pin | machines that are worked with | 5 s after the last use, 20 s after a script | they are dialled again
//	    session: NothingIsKeptOfAMachineThatNobodyWorksWith, ConnectionsAreBoundedAndGoWhenNobodyWorks
//	contents of an endpoint | digest | 4,096 | with the endpoint | the machine is asked
//	    session: WhatAMachineHoldsIsRememberedWithinABound
//	completions | endpoint | 1,024 of one | when told, after six tries, or with a run that is gone | the machine sweeps by itself
//	    session: AMachineThatStaysAwayIsGivenUp, OfARunThatIsGoneNoMachineIsTold
//	engines | file | one for a system | where the file is another | files are read again
//	    session: AnEngineIsReadAgainWhereItIsAnother
//	places of followers | namespace | --max-followers, three quarters of one namespace | when a question is answered | -
//	    session: APlaceAmongTheFollowedIsGivenBack
//	turns to dial, to try who is away, to prepare and to look | namespace | 64, 64, 64 and 256 at once | when the turn is over | -
//	    turns: NothingIsKeptOfAKeyThatNobodyUses
//	looks | name of the target | targets that are looked at | with the target, or where its policy says Never | each machine is looked at
//	    target: ATargetThatIsGoneIsForgotten, ATargetThatIsDeletedIsNotLookedAtAnyMore
//	machines that are not healthy | - | one number | when they are healthy or forgotten | they are counted again
//	    target: AMachineThatIsAwayIsCheckedOften
//	counts of looks | result | the reasons of a target | never | they begin at 0
//	    -
//	times of an environment | name | environments | with the environment | one write of each
//	    environment: AnEnvironmentThatIsGoneIsForgotten
//
// Of packages, keys, processes and logs:
//
//	entries of the package cache | name of the package | those with an owner, 4,096 of a namespace | with the last owner, failures later | they are asked for
//	    packages: NothingIsKeptForOwnersThatAreGone, ANamespaceAsksForABoundedNumberOfPackages; release: TheCacheForgetsAReleaseThatIsDeleted; run: ARunThatHasEndedLeavesNothing
//	turns to fetch | namespace | fetches that were asked for | when fetched | -
//	    packages: NamespacesTakeTurns
//	archives, on the disk | digest | 4,096, 20 GiB | the one that was used least lately, of who has most | notes are read again
//	    packages: TheOldestGoesWhenTheCacheIsFull, MuchOfOneNamespaceTakesNothingOfAnothersAway
//	identities | UID of the namespace | 4,096 | with the namespace; Secrets are read again after 10 s | Secrets are read
//	    identity: NoKeyIsKeptOfANamespaceThatIsGone, HowManyNamespacesAreRememberedIsBounded
//	processes, in five readers | name and UID of the snapshot | 256, 64 MiB of JSON | the one that was used least lately | they are decoded
//	    snapshot: AReaderKeepsWhatWasReadLately
//	places of those who follow an output | namespace, address | 64; 16 of a namespace, 8 of an address | when they end | they ask again
//	    logs: FollowersAreBounded
//	sizes of logs | run, namespace | logs on the disk, 5 GiB | with the run; the oldest of who has most | the disk is measured
//	    logs: LogsGoWithTheirRuns, WhatIsCountedIsWhatIsThere, ShortLogsAreBoundedToo
//
// Of the controllers:
//
//	requests of a work queue, and when passes began | namespace | objects that wait | with the last request | every object is enqueued
//	    fair: WhatComesMeanwhileIsNotLost
//	changes that are looked into | namespace, name | objects | when looked into | every object is enqueued
//	    fair: ChangesAreForgotten
//	turns to ask the API server | namespace | 2 at once, 32 while alone | when the answer was read | -
//	    turns: ANamespaceHasItsShareOfTheAPIServer, ANamespaceThatIsAloneHasMore, NothingIsKeptOfAKeyThatNobodyUses
//	turns of readers of metrics and logs | address | 16, 4 of one address | when the API server has answered | -
//	    logs: StrangersAskInTurn; turns: NothingIsKeptOfAKeyThatNobodyUses
//	metrics | outcome, phase, state | those in docs/operating.md | never | they begin at 0
//	    -
//	changes that are looked up | namespace | one for each object | when they were looked up | every object is enqueued
//	    fair: ChangesAreForgotten
//	requests to the API server | namespace | those that wait | when they are answered | -
//	    turns: ANamespaceHasItsShareOfTheAPIServer, NothingIsKeptOfAKeyThatNobodyUses
//	rests of a binding | name | bindings | with the binding | one pass of each
//	    binding: ABindingThatIsGoneIsForgotten
//	names that were told early | name | objects | when the controller starts | every object is enqueued
//	    notify: WhatIsToldEarlyIsQueuedOnceAndNotKept
//	the lease | - | one reading of the clock | when it is over | it is acquired again
//	    lease: TheFenceClosesWhenTheLeaseHasRunOut
//	informers, back-off of queues, events | UID, name | objects; those that failed; events of minutes | with the object; in time | they are listed
//	    - (controller-runtime and client-go)
package controllers
