import { expect, test } from 'vitest'
import type { ViewerModel } from '../model'
import { defaultState, type State, type StatePatch } from '../state'
import { fields, isOwn, readField, resetField, shareOf, shown, valueAtShare, writeField } from './fields'

function modelOf(patch: Partial<State>) {
  let state: State = { ...defaultState(), ...patch }
  const read = {
    get value() {
      return state
    },
    peek: () => state,
  }
  const set = (p: StatePatch) => {
    state = { ...state, ...p }
  }
  return { state: read, set } as unknown as ViewerModel
}

test('the middle of a gain’s slider is one, its ends are the limits', () => {
  const gain = fields.weightGain
  expect(valueAtShare(gain, 0.5)).toBeCloseTo(1)
  expect(valueAtShare(gain, 0)).toBe(gain.min)
  expect(valueAtShare(gain, 1)).toBe(gain.max)
  for (const v of [0, 0.3, 1, 7]) expect(valueAtShare(gain, shareOf(gain, v))).toBeCloseTo(v)
})

test('a layer’s own value is in force where it has one', () => {
  const model = modelOf({ expansion: 1, layers: { conv1: { expansion: 3 } } })
  expect(readField(model, null, 'expansion')).toBe(1)
  expect(readField(model, 'conv1', 'expansion')).toBe(3)
  expect(readField(model, 'conv2', 'expansion')).toBe(1)
  expect(readField(model, 'constructor', 'expansion')).toBe(1)
})

test('setting a layer’s value leaves the others alone', () => {
  const model = modelOf({ layers: { conv1: { layout: 1 }, fc: { bundle: 1 } } })
  writeField(model, 'conv1', 'expansion', 2)
  expect(model.state.value.layers).toEqual({ conv1: { layout: 1, expansion: 2 }, fc: { bundle: 1 } })
  writeField(model, null, 'layout', 0)
  expect(model.state.value.layout).toBe(0)
})

test('numbers of controls are as short as they can be', () => {
  expect(shown(1, 2)).toBe('1.0')
  expect(shown(0.35, 2)).toBe('0.35')
  expect(shown(0.5, 2)).toBe('0.5')
  expect(shown(64, 0)).toBe('64')
})

test('a reset takes back one value of one layer, and the layer itself with its last', () => {
  const model = modelOf({ expansion: 2, layers: { conv1: { layout: 1, expansion: 3 }, fc: { bundle: null } } })
  expect([isOwn(model, 'conv1', 'layout'), isOwn(model, 'conv1', 'spread'), isOwn(model, 'conv2', 'layout')]).toEqual([
    true,
    false,
    false,
  ])
  // "auto" is a value of its own: it stands where all layers have a number.
  expect(isOwn(model, 'fc', 'bundle')).toBe(true)
  resetField(model, 'conv1', 'layout')
  expect(model.state.value.layers).toEqual({ conv1: { expansion: 3 }, fc: { bundle: null } })
  resetField(model, 'conv1', 'expansion')
  expect(model.state.value.layers).toEqual({ fc: { bundle: null } })
  expect(isOwn(model, null, 'expansion')).toBe(true)
  resetField(model, null, 'expansion')
  expect([isOwn(model, null, 'expansion'), model.state.value.expansion]).toEqual([false, 1])
})
