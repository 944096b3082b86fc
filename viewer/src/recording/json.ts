import { BadRecording } from './errors'

/** Python's json writes NaN, Infinity and -Infinity as they are; JSON does not know them. Strings are left alone. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g

/** JSON in which NaN, Infinity and -Infinity may stand for numbers. Throws SyntaxError. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error
  }
  // A prefix that the text holds nowhere stands for the token while JSON is parsed.
  let mark = 'number '
  while (text.includes(mark)) mark += '~'
  const marked = text.replace(TOKEN, token => (token.startsWith('"') ? token : `"${mark}${token}"`))
  return JSON.parse(marked, (_, value) =>
    typeof value === 'string' && value.startsWith(mark) ? Number(value.slice(mark.length)) : value,
  )
}

/** A JSON file of a recording. Throws BadRecording. */
export function parseFile(key: string, bytes: ArrayBuffer): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new BadRecording(key, `this is no readable JSON (${(error as Error).message})`)
  }
}
