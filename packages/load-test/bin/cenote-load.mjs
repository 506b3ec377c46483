#!/usr/bin/env node
// npm links a workspace's bin at install time, before anything is built: so the link points here, not into dist.
try {
  await import('../dist/cli.js')
} catch (error) {
  if (error?.code !== 'ERR_MODULE_NOT_FOUND' || !String(error.message).includes('dist/cli.js')) throw error
  console.error('cenote-load is not built yet: run `npm run build` in the repository root first')
  process.exitCode = 2
}
