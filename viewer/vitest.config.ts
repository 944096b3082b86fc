import { defineConfig } from 'vitest/config'

// `npm test`: what runs in Node alone. The tests in a real browser have their own: vitest.browser.config.ts.
export default defineConfig({
  // Ten times what the slowest needs: a busy machine is no failure.
  test: { include: ['src/**/*.test.ts'], testTimeout: 30_000 },
})
