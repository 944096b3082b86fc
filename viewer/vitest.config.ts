import { defineConfig } from 'vitest/config'

// `npm test`: what runs in Node alone. The tests in a real browser have their own: vitest.browser.config.ts.
export default defineConfig({
  test: { include: ['src/**/*.test.ts'] },
})
