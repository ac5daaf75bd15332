import { seededDraws } from '../seeded-draws.js'

/** A molecule at one bond length, as simulated runs have it. Energies in hartree, lengths in ångström. */
export interface SimulatedMolecule {
  /** `molecule_id`: the same for every run of this molecule at this length in this basis. */
  readonly id: number
  readonly symbols: readonly string[]
  readonly coords: readonly (readonly [number, number, number])[]
  readonly multiplicity: number
  readonly charge: number
  readonly masses: readonly number[]
  readonly basisSet: string
  readonly qubits: number
  readonly hamiltonian: readonly HamiltonianTerm[]
  readonly nuclearRepulsion: number
  /** Least electronic energy. */
  readonly groundEnergy: number
}

export interface HamiltonianTerm {
  readonly label: string
  readonly coefficients: { readonly real: number; readonly imaginary: number }
}

interface Family {
  readonly symbols: readonly string[]
  readonly charge: number
  readonly multiplicity: number
  /** Morse curve of the total energy: at the best length, its depth, that length, its steepness per ångström. */
  readonly morse: {
    readonly least: number
    readonly depth: number
    readonly length: number
    readonly steepness: number
  }
  readonly qubits: number
  readonly terms: number
}

const FAMILIES: readonly Family[] = [
  {
    symbols: ['H', 'H'],
    charge: 0,
    multiplicity: 1,
    morse: { least: -1.137, depth: 0.172, length: 0.741, steepness: 1.94 },
    qubits: 4,
    terms: 15,
  },
  {
    symbols: ['He', 'H'],
    charge: 1,
    multiplicity: 1,
    morse: { least: -2.863, depth: 0.075, length: 0.774, steepness: 2.1 },
    qubits: 4,
    terms: 27,
  },
  {
    symbols: ['H', 'H', 'H'],
    charge: 1,
    multiplicity: 1,
    morse: { least: -1.247, depth: 0.16, length: 0.87, steepness: 1.7 },
    qubits: 6,
    terms: 62,
  },
  {
    symbols: ['Li', 'H'],
    charge: 0,
    multiplicity: 1,
    morse: { least: -7.882, depth: 0.092, length: 1.596, steepness: 1.13 },
    qubits: 6,
    terms: 118,
  },
]
/** As multiples of the best length. */
const LENGTHS = [0.8, 0.9, 1, 1.1, 1.25, 1.5, 2]
const BASIS_SETS = ['sto3g', '631g'] as const
const ATOMS: Readonly<Record<string, { readonly charge: number; readonly mass: number }>> = {
  H: { charge: 1, mass: 1.00782503 },
  He: { charge: 2, mass: 4.00260325 },
  Li: { charge: 3, mass: 7.01600343 },
}
const BOHR = 0.529177210903
/** What the larger basis gains. */
const LARGER_BASIS_GAIN = 0.014

/** All molecules there are: four, at seven lengths each, in two basis sets. */
export function simulatedMolecules(): readonly SimulatedMolecule[] {
  const places = FAMILIES.flatMap((family) => LENGTHS.map((length) => ({ family, length })))
  return BASIS_SETS.flatMap((basisSet, b) =>
    places.map(({ family, length }, i) => molecule(family, length, basisSet, b * places.length + i)),
  )
}

function molecule(
  family: Family,
  relativeLength: number,
  basisSet: (typeof BASIS_SETS)[number],
  id: number,
): SimulatedMolecule {
  const { symbols, charge, multiplicity, morse, qubits, terms } = family
  const length = Number((relativeLength * morse.length).toFixed(3))
  const atoms = symbols.map((symbol) => ATOMS[symbol] ?? { charge: 0, mass: 0 })
  const nuclearRepulsion = repulsion(
    atoms.map((atom) => atom.charge),
    length,
  )
  const stretched = (1 - Math.exp(-morse.steepness * (length - morse.length))) ** 2
  const total = morse.least + morse.depth * stretched - (basisSet === 'sto3g' ? 0 : LARGER_BASIS_GAIN)
  const groundEnergy = total - nuclearRepulsion
  return {
    id,
    symbols,
    coords: symbols.map((_, i) => [0, 0, Number((i * length).toFixed(3))]),
    multiplicity,
    charge,
    masses: atoms.map((atom) => atom.mass),
    basisSet,
    qubits,
    hamiltonian: hamiltonian(id, qubits, terms, groundEnergy),
    nuclearRepulsion,
    groundEnergy,
  }
}

/** Of atoms in a line, each so far from the next. */
function repulsion(charges: readonly number[], length: number): number {
  let energy = 0
  for (const [i, a] of charges.entries()) {
    for (const [j, b] of charges.entries()) {
      if (i < j) energy += (a * b) / (((j - i) * length) / BOHR)
    }
  }
  return energy
}

const LETTERS = ['I', 'Z', 'X', 'Y'] as const

/** The identity, then different Pauli strings with coefficients that grow smaller. They are drawn, not computed. */
function hamiltonian(id: number, qubits: number, terms: number, energy: number): HamiltonianTerm[] {
  const draws = seededDraws(id, 'hamiltonian')
  const labels = new Set(['I'.repeat(qubits)])
  while (labels.size < terms) labels.add(Array.from({ length: qubits }, () => draws.pick(LETTERS)).join(''))
  return [...labels].map((label, i) => {
    const real = i === 0 ? 0.6 * energy : (0.3 * draws.normal()) / Math.sqrt(i)
    return { label, coefficients: { real, imaginary: 0 } }
  })
}
