export const TOOLS: readonly string[];
export function tool(name: string, folder?: string): string;
