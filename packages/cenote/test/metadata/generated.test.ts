import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { generate } from '../../generator/generate.js'
import { readServer } from '../../generator/server.js'

const header = async (path: string) => (await readFile(path, 'utf8')).slice(0, 200)

it('the committed generated files are what the generator makes of the recorded server version', async () => {
  const { version, files } = await generate()
  expect(files.size).toBe(3)
  const headers = await Promise.all([...files.keys()].map(header))
  const recorded = new Set(headers.map((text) => /from Redis (\S+)/.exec(text)?.[1]))
  expect(recorded.size).toBe(1)
  // Another server describes its commands otherwise; what must hold for it is in table.test.ts.
  const comparable = recorded.has(version) ? [...files] : []
  for (const [path, content] of comparable) expect(await readFile(path, 'utf8'), path).toBe(content)
})

it('the generator leaves no server behind and says what is missing', async () => {
  await expect(readServer('/no/such/redis-server')).rejects.toThrow('/no/such/redis-server')
})
