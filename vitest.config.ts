import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^cenote$/, replacement: source('./packages/cenote/src/index.ts') },
      { find: /^cenote\/ioredis$/, replacement: source('./packages/cenote/src/ioredis.ts') },
      { find: /^@cenote\/test-support$/, replacement: source('./packages/test-support/src/index.ts') },
    ],
  },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'bench/test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    retry: 0,
  },
})
