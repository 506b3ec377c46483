import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function folderOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return ''
  }
}

/**
 * Processes that carry `mark` in their environment or work in the folder `mark`, zombies aside, as `pid: command`.
 * Redis overwrites its environment with its title, hence the folder. Empty where there is no /proc.
 */
export function processesMarked(mark: string): string[] {
  let pids: string[] = []
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  } catch {}
  return pids
    .filter((pid) => read(`/proc/${pid}/environ`).includes(mark) || folderOf(pid).startsWith(mark))
    .filter((pid) => !/^State:\tZ/m.test(read(`/proc/${pid}/status`)))
    .map((pid) => `${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`)
}
