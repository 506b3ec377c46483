import { type ChildProcess, spawn } from 'node:child_process'

/**
 * A shell that outlives this process just long enough to clean up after it. It reads `+entry` and `-entry` lines from
 * a pipe; the kernel closes that pipe however this process ends (return, Ctrl-C, crash, SIGKILL), and the shell then
 * kills every process group and removes every folder still on its list. A handler in this process could not promise
 * that: SIGKILL runs no handlers.
 */
const script = `
trap '' INT TERM HUP QUIT PIPE
set --
while IFS= read -r line; do
  entry=\${line#?}
  case $line in
    +*) set -- "$@" "$entry" ;;
    -*) count=$#
        while [ "$count" -gt 0 ]; do
          kept=$1; shift; count=$((count - 1))
          [ "$kept" = "$entry" ] || set -- "$@" "$kept"
        done ;;
  esac
done
for entry in "$@"; do
  case $entry in group:*) kill -s KILL -- "-\${entry#group:}" 2>/dev/null ;; esac
done
tries=0
while :; do
  ending=
  for entry in "$@"; do
    case $entry in
      folder:*) rm -rf -- "\${entry#folder:}" ;;
      group:*) kill -s 0 -- "-\${entry#group:}" 2>/dev/null && ending=1 ;;
    esac
  done
  # A process may write a last file between its folder's removal and its own end, so look again.
  tries=$((tries + 1))
  [ $tries -gt 1 ] && [ -z "$ending" ] && break
  [ $tries -gt 20 ] && break
  sleep 0.05
done
`

let guardian: ChildProcess | undefined

function tell(line: string): void {
  if (guardian === undefined || guardian.exitCode !== null || guardian.signalCode !== null) {
    // Its own session: a Ctrl-C in the terminal must not reach it before its work is done.
    guardian = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], cwd: '/' })
    guardian.unref()
    guardian.stdin?.on('error', () => {})
    ;(guardian.stdin as unknown as { unref?: () => void }).unref?.()
    for (const entry of guarded) guardian.stdin?.write(`+${entry}\n`)
  }
  guardian.stdin?.write(`${line}\n`)
}

const guarded = new Set<string>()

function guard(entry: string): () => void {
  if (entry.includes('\n')) throw new TypeError('A guarded path cannot contain a line break')
  tell(`+${entry}`)
  guarded.add(entry)
  return () => {
    if (guarded.delete(entry)) tell(`-${entry}`)
  }
}

/**
 * Has the folder removed when this process ends in any way. Call it before the folder is filled.
 * @returns stops guarding (after you removed the folder yourself)
 */
export function guardFolder(path: string): () => void {
  return guard(`folder:${path}`)
}

/**
 * Has the process group killed (SIGKILL) when this process ends in any way. The leader must have been started with
 * `detached: true`, so that its pid names a group.
 * @returns stops guarding (after the group has ended; a pid may be given to a stranger later)
 */
export function guardGroup(leaderPid: number): () => void {
  if (!Number.isInteger(leaderPid) || leaderPid <= 1) throw new RangeError(`Not a process group: ${leaderPid}`)
  return guard(`group:${leaderPid}`)
}
