import { defineConfig } from 'vitest/config'

// `npm run test:browser`: Node drives a real Chromium. Software WebGL takes all cores, so files run one after the other.
export default defineConfig({
  test: {
    include: ['tests/**/*.browser.test.ts'],
    globalSetup: 'tests/bundle.setup.ts',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
  },
})
