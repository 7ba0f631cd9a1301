export const TOOLS: readonly string[];
export function tool(name: string): string;
