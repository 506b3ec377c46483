import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** `` `file`: title `` lines of the page, with the file's path from the root. */
function namedTests(): { path: string; title: string }[] {
  const page = readFileSync(`${root}docs/invariants.md`, 'utf8')
  return [...page.matchAll(/^ {2,}`([^`]+\.test\.ts)`: (.+)$/gm)].map(([, file, title]) => ({
    path: file!.startsWith('test/') || file!.startsWith('packages/') ? file! : `packages/cenote/test/${file}`,
    title: title!.trim(),
  }))
}

describe('docs/invariants.md', () => {
  it('names only tests that exist, and a test for each rule', () => {
    const page = readFileSync(`${root}docs/invariants.md`, 'utf8')
    const rules = page.match(/^\d+\. /gm) ?? []
    const tests = namedTests()
    expect(tests.length).toBeGreaterThanOrEqual(rules.length)
    const missing = tests.filter(
      ({ path, title }) => !existsSync(root + path) || !readFileSync(root + path, 'utf8').includes(title),
    )
    expect(missing).toEqual([])
  })
})
