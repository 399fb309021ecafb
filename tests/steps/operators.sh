# Two operators, interrupted runs, kept plans.
slow=$(variant slow -e 's/^profile:.*/profile: slow/')

slow_again
start "$program" apply --yes "$slow"; until_said 'second slow step .*made'; sleep 1
expect "a second operator is stopped while the first acts" 1 "$program" apply --yes "$slow"
says   "and told who holds the host, and in which run" 'is changing w1 in another run, [0-9TZ]+-apply-'
ended  "the first is not disturbed" 0

slow_again
start "$program" apply --yes "$slow"; until_said 'second slow step .*made'; sleep 1
kill -INT "$started"
ended  "Ctrl-C once: running steps finish" 130
says   "which is said" 'running steps finish, no new ones begin'
says   "the step that ran is done, the next not begun" 'stopped in .*1 changed.*1 not reached'
expect "the record is written" 0 grep -q run-finished "$(ls -d "$work"/site/.ra-deploy/runs/*-apply-"$started")/events.jsonl"
expect "no BMC session is left" 0 test "$(bmc_sessions)" = "0 0 "
expect "running again finishes" 0 "$program" apply --yes "$slow"

slow_again
start "$program" apply --yes "$slow"; until_said 'second slow step .*made'; sleep 1
kill -TERM "$started"; sleep 0.3; kill -INT "$started"
ended  "asked twice: it stops now" 130
says   "and says what may go on" 'may still go on there'
expect "no BMC session is left then either" 0 test "$(bmc_sessions)" = "0 0 "
expect "the step that still runs holds its host" 1 "$program" apply --yes "$slow"
says   "and is named" 'as process [0-9]+'
sleep 3
expect "as soon as it has ended, running again finishes" 0 "$program" apply --yes "$slow"

slow_again
start "$program" apply --yes --limit w1 "$slow"; until_said 'second slow step .*made'; sleep 1
kill -KILL "$started"; ended "killed outright" 137
killed=$SECONDS
# The dead run's hold ends after ninety seconds; meanwhile come the faults that only ask.

kept=$work/kept-plan
on $worker "sudo sysctl -qw kernel.panic=0"
expect "a plan is kept" 0 "$program" plan --out "$kept" "$inventory"
on $worker "sudo sysctl -qw kernel.panic_on_oops=0"
expect "and refused when a host has changed since" 1 "$program" apply --plan "$kept" "$inventory"
says   "which is said" 'differs otherwise than when the plan was made'
changed=$(variant changed -e '$a# another line')
expect "and refused when the files have changed since" 1 "$program" apply --plan "$kept" "$changed"
says   "which is said" 'the files of the site have changed'
