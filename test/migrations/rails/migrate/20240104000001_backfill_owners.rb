class BackfillOwners < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  class Account < ActiveRecord::Base; end
  class Owner < ActiveRecord::Base; end

  def up
    owner = Owner.find_or_create_by!(email: 'first@example.com')
    Account.where(owner_id: nil).limit(50).in_batches(of: 10) do |batch|
      batch.update_all(owner_id: owner.id, status: 'owned')
    end
  end

  def down; end
end
