import js from '@eslint/js'
import tseslint from 'typescript-eslint'

/** Node's own modules have no place in the workflow sandbox. */
const NO_NODE = {
  patterns: [
    {
      group: ['node:*', 'fs', 'path', 'crypto', 'os'],
      message: 'Workflows run in a sandbox: no Node modules.',
    },
  ],
}

export default tseslint.config(
  { ignores: ['dist', 'node_modules', '.firn', 'coverage', 'test/golden', '**/*.mjs'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: "ThrowStatement > NewExpression[callee.name='Error']",
          message: 'Throw the error class of the library, with a kind.',
        },
      ],
    },
  },
  {
    files: ['workflows/**/*.ts', 'schemas/messages.ts'],
    rules: { 'no-restricted-imports': ['error', NO_NODE] },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'soak/**/*.ts'],
    rules: {
      'no-restricted-syntax': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
  { files: ['eslint.config.js', 'vitest.config.ts'], ...tseslint.configs.disableTypeChecked },
)
