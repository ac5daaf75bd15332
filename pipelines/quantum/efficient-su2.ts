/** Qiskit's EfficientSU2 with reverse linear entanglement: number of parameters, and its text in OpenQASM 3. */
export function efficientSu2(
  qubits: number,
  reps: number,
): { readonly parameters: number; readonly qasm: string } {
  const parameters = 2 * qubits * (reps + 1)
  const inputs = Array.from({ length: parameters }, (_, i) => `input float[64] _θ_${i}_;`)
  const gates: string[] = []
  let parameter = 0
  for (let layer = 0; layer <= reps; layer++) {
    for (const gate of ['ry', 'rz']) {
      for (let q = 0; q < qubits; q++) gates.push(`${gate}(_θ_${parameter++}_) q[${q}];`)
    }
    for (let q = qubits - 2; q >= 0 && layer < reps; q--) gates.push(`cx q[${q}], q[${q + 1}];`)
  }
  const lines = ['OPENQASM 3.0;', 'include "stdgates.inc";', ...inputs, `qubit[${qubits}] q;`, ...gates]
  return { parameters, qasm: `${lines.join('\n')}\n` }
}
