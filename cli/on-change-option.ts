import { Option } from 'commander'
import { ON_CHANGE } from '../schemas/definition-change.js'

/** Answer to a changed definition, which a build asks for. */
export function onChangeOption(): Option {
  return new Option(
    '--on-change <answer>',
    'where a definition has changed: forward leaves published rows as they are, rebuild computes them again',
  ).choices(ON_CHANGE)
}
