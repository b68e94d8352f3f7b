/* An address that leads nowhere. */
import { Button } from '../parts/Button.jsx';
import { SearchIcon } from '../parts/icons.jsx';
import { Empty, Page } from '../parts/Page.jsx';

export function NotFound() {
    return (
        <Page title="Not found">
            <Empty icon={SearchIcon} title="There is no such page" actions={<Button to="/">To the first page</Button>}>
                <p>The address is mistyped, or it leads to something that is gone, or your role does not have it.</p>
            </Empty>
        </Page>
    );
}
